import { Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';
import { bigint, instant, nullableJson } from '../columns.js';

/**
 * What changed, written in the transaction of the change. The number comes after the commit, in the order of the commits
 * that a numbering sees: whoever has read up to a number has missed nothing below it.
 */
@Entity('events')
@Unique('events_number_key', ['number'])
@Index('events_unnumbered_idx', ['id'], { where: '"number" IS NULL' })
export class EventEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'events_pkey' })
  id!: string;
  @Column({ ...bigint, nullable: true })
  number!: number | null;
  @Column(instant)
  at!: Date;
  @Column('text')
  actor!: string;
  /** `noun.verb` */
  @Column('text')
  type!: string;
  @Column('text')
  subject!: string;
  @Column(nullableJson)
  data!: unknown;
}
