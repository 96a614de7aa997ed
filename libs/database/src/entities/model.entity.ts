import type { RetentionRule } from '#contracts/retention';
import { Check, Column, Entity, PrimaryColumn, Unique } from 'typeorm';
import { instant, nullableInstant, nullableJson, tags } from '../columns.js';

@Entity('models')
@Unique('models_name_key', ['name'])
@Check('models_next_version_check', '"next_version" >= 1')
export class ModelEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'models_pkey' })
  id!: string;
  @Column('text')
  name!: string;
  @Column('text', { default: '' })
  description!: string;
  @Column(tags)
  tags!: Record<string, string>;
  /** The number that the next version gets; allotted by an UPDATE in the uploading transaction. */
  @Column('integer', { default: 1 })
  next_version!: number;
  /** Only signed versions may be released. */
  @Column('boolean', { default: false })
  signed_only!: boolean;
  @Column(nullableJson)
  retention!: RetentionRule | null;
  @Column(nullableInstant)
  archived_at!: Date | null;
  @Column(instant)
  created_at!: Date;
  @Column(instant)
  updated_at!: Date;
}
