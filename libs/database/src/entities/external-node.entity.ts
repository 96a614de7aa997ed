import type { InferenceProtocol } from '#contracts/external-nodes';
import { Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { instant } from '../columns.js';
import { VersionEntity } from './version.entity.js';

/** A server that is not Sluice's own. */
@Entity('external_nodes')
@Unique('external_nodes_name_key', ['name'])
export class ExternalNodeEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'external_nodes_pkey' })
  id!: string;
  @Column('text')
  name!: string;
  @Column('text')
  address!: string;
  /** Sealed when there is a master key. */
  @Column('text', { nullable: true })
  authorization!: string | null;
  @Column('text', { nullable: true })
  ca_pem!: string | null;
  @Column('text', { nullable: true })
  server_name!: string | null;
  @Column('text', { array: true })
  protocols!: InferenceProtocol[];
  @Column(instant)
  created_at!: Date;
  @Column(instant)
  updated_at!: Date;
}

/** A version that an external node serves, and the name under which it does. */
@Entity('external_replicas')
@Index('external_replicas_version_idx', ['version_id'])
@ForeignKey(() => ExternalNodeEntity, ['node_id'], ['id'], {
  name: 'external_replicas_node_fkey',
  onDelete: 'CASCADE',
})
@ForeignKey(() => VersionEntity, ['version_id'], ['id'], {
  name: 'external_replicas_version_fkey',
  onDelete: 'CASCADE',
})
export class ExternalReplicaEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'external_replicas_pkey' })
  node_id!: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'external_replicas_pkey' })
  version_id!: string;
  @Column('text')
  served_model!: string;
  @Column('text', { nullable: true })
  served_version!: string | null;
}

/** What one gateway found when it last asked an external node for a version. */
@Entity('external_reports')
@ForeignKey(() => ExternalNodeEntity, ['node_id'], ['id'], {
  name: 'external_reports_node_fkey',
  onDelete: 'CASCADE',
})
@ForeignKey(() => VersionEntity, ['version_id'], ['id'], {
  name: 'external_reports_version_fkey',
  onDelete: 'CASCADE',
})
export class ExternalReportEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'external_reports_pkey' })
  node_id!: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'external_reports_pkey' })
  version_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'external_reports_pkey' })
  gateway!: string;
  @Column('boolean')
  is_ready!: boolean;
  @Column(instant)
  reported_at!: Date;
}
