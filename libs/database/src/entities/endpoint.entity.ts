import type { Traffic } from '#contracts/endpoints';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { instant, json } from '../columns.js';
import { ModelEntity } from './model.entity.js';
import { AliasEntity, VersionEntity } from './version.entity.js';

@Entity('endpoints')
@Unique('endpoints_name_key', ['name'])
@Index('endpoints_model_idx', ['model_id'])
@Check('endpoints_revision_check', '"revision" >= 1')
@ForeignKey(() => ModelEntity, ['model_id'], ['id'], { name: 'endpoints_model_fkey' })
export class EndpointEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'endpoints_pkey' })
  id!: string;
  @Column('text')
  name!: string;
  @Column('uuid')
  model_id!: string;
  @Column('integer', { default: 1 })
  revision!: number;
  @Column(json)
  traffic!: Traffic;
  @Column(instant)
  updated_at!: Date;
  @Column('text')
  updated_by!: string;
}

/** What the traffic of an endpoint points at, one row per distinct reference: the database itself refuses to lose one. */
@Entity('traffic_targets')
@Check('traffic_targets_one_check', '("version_number" IS NULL) <> ("alias" IS NULL)')
@Index('traffic_targets_version_idx', ['model_id', 'version_number'])
@Index('traffic_targets_alias_idx', ['model_id', 'alias'])
@ForeignKey(() => EndpointEntity, ['endpoint_id'], ['id'], { name: 'traffic_targets_endpoint_fkey' })
@ForeignKey(() => VersionEntity, ['model_id', 'version_number'], ['model_id', 'number'], {
  name: 'traffic_targets_version_fkey',
})
@ForeignKey(() => AliasEntity, ['model_id', 'alias'], ['model_id', 'name'], {
  name: 'traffic_targets_alias_fkey',
})
export class TrafficTargetEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'traffic_targets_pkey' })
  endpoint_id!: string;
  /** Place among the distinct references of the traffic. */
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'traffic_targets_pkey' })
  position!: number;
  @Column('uuid')
  model_id!: string;
  @Column('integer', { nullable: true })
  version_number!: number | null;
  @Column('text', { nullable: true })
  alias!: string | null;
}

@Entity('traffic_revisions')
@ForeignKey(() => EndpointEntity, ['endpoint_id'], ['id'], { name: 'traffic_revisions_endpoint_fkey' })
export class TrafficRevisionEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'traffic_revisions_pkey' })
  endpoint_id!: string;
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'traffic_revisions_pkey' })
  revision!: number;
  @Column(json)
  traffic!: Traffic;
  @Column(instant)
  created_at!: Date;
  @Column('text')
  created_by!: string;
}
