import type { NextRevision, NodeState, ReplicaState } from '#contracts/nodes';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { bigint, instant, nullableInstant, nullableJson, tags } from '../columns.js';
import { VersionEntity } from './version.entity.js';

@Entity('nodes')
@Unique('nodes_name_key', ['name'])
@Check('nodes_state_check', `"state" IN ('READY', 'DRAINING', 'LOST')`)
@Index('nodes_lease_idx', ['lease_expires_at'])
export class NodeEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'nodes_pkey' })
  id!: string;
  @Column('text')
  name!: string;
  @Column('text')
  address!: string;
  @Column(tags)
  labels!: Record<string, string>;
  @Column('integer')
  cores!: number;
  @Column(bigint)
  memory_bytes!: number;
  @Column('text')
  program_version!: string;
  @Column('text')
  state!: NodeState;
  /** Set by an operator's drain, lifted by resume; outlives the process. */
  @Column('boolean', { default: false })
  cordoned!: boolean;
  /** Grows with every registration: credentials of an earlier process of this name are fenced off by it. */
  @Column('integer', { default: 1 })
  epoch!: number;
  @Column(instant)
  lease_expires_at!: Date;
  @Column('integer', { default: 0 })
  assignments_revision!: number;
  @Column(instant)
  created_at!: Date;
}

/** One version on one node: what is wanted (`wanted`, `config_revision`) and what the node last reported. */
@Entity('replicas')
@Index('replicas_version_idx', ['version_id'])
@Check(
  'replicas_state_check',
  `"state" IN ('ASSIGNED', 'FETCHING', 'LOADING', 'READY', 'DRAINING', 'FAILED')`,
)
@Check('replicas_reason_check', `"state" <> 'FAILED' OR "reason" IS NOT NULL`)
@ForeignKey(() => NodeEntity, ['node_id'], ['id'], { name: 'replicas_node_fkey' })
@ForeignKey(() => VersionEntity, ['version_id'], ['id'], { name: 'replicas_version_fkey' })
export class ReplicaEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'replicas_pkey' })
  node_id!: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'replicas_pkey' })
  version_id!: string;
  @Column('boolean', { default: true })
  wanted!: boolean;
  /** The revision that is wanted. */
  @Column('integer')
  config_revision!: number;
  @Column('text')
  state!: ReplicaState;
  /** The revision that `state` is about; null before the first report. */
  @Column('integer', { nullable: true })
  reported_config_revision!: number | null;
  @Column('text', { nullable: true })
  reason!: string | null;
  /** What the node says of a newer revision while an older one serves. */
  @Column(nullableJson)
  next!: NextRevision | null;
  /** Failed tries in a row that were not the model's fault. */
  @Column('integer', { default: 0 })
  attempts!: number;
  /** Not before this is the replica tried again. */
  @Column(nullableInstant)
  retry_at!: Date | null;
  @Column(instant)
  updated_at!: Date;
}

/** One row: the revision of the routing table. Every transaction that changes routing raises it, so its lock orders them. */
@Entity('snapshot_state')
@Check('snapshot_state_single_check', '"id" = 1')
export class SnapshotStateEntity {
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'snapshot_state_pkey' })
  id!: number;
  @Column(bigint)
  revision!: number;
}
