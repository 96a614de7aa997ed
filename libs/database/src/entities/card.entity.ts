import { Check, Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { instant } from '../columns.js';
import { ModelEntity } from './model.entity.js';

/** Every revision of a model's card; the one with the highest number is in force. */
@Entity('model_cards')
@Check('model_cards_revision_check', '"revision" >= 1')
@ForeignKey(() => ModelEntity, ['model_id'], ['id'], { name: 'model_cards_model_fkey', onDelete: 'CASCADE' })
export class ModelCardEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'model_cards_pkey' })
  model_id!: string;
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'model_cards_pkey' })
  revision!: number;
  @Column('text')
  markdown!: string;
  @Column(instant)
  created_at!: Date;
  @Column('text')
  created_by!: string;
}
