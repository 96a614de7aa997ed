import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { instant } from '../columns.js';

/** A creation whose request may come again: its answer has not been handed over yet, or the client gave the request a key. */
@Entity('creations')
@Index('creations_fingerprint_idx', ['fingerprint'])
@Index('creations_expiry_idx', ['expires_at'])
export class CreationEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'creations_pkey' })
  id!: string;
  /** Equal for requests that may be the same one. */
  @Column('text')
  fingerprint!: string;
  @Column('text')
  body_sha256!: string;
  /** What was made, as the operation that made it names it. */
  @Column('text')
  made!: string;
  /** The request had an Idempotency-Key. */
  @Column('boolean')
  keyed!: boolean;
  /** The answer cannot have arrived. */
  @Column('boolean', { default: false })
  lost!: boolean;
  @Column(instant)
  made_at!: Date;
  @Column(instant)
  expires_at!: Date;
}
