import type { NodeInfo } from '#contracts/nodes';
import type { ExternalNodeEntity } from '#database/entities/external-node.entity';
import type { NodeEntity, ReplicaEntity } from '#database/entities/node.entity';
import type { ExternalReplicaRow } from '../external-nodes/external-reports.service.js';

/** A replica with the names that its version goes by. */
export interface NamedReplica extends Pick<
  ReplicaEntity,
  'node_id' | 'version_id' | 'config_revision' | 'state' | 'reason' | 'next' | 'updated_at'
> {
  readonly model: string;
  readonly version: number;
}

type Replica = NodeInfo['replicas'][number];

export function toExternalNodeInfo(node: ExternalNodeEntity, rows: readonly ExternalReplicaRow[]): NodeInfo {
  return {
    id: node.id,
    name: node.name,
    address: node.address,
    labels: {},
    external: true,
    capacity: null,
    program_version: null,
    state: rows.some((row) => row.is_ready) ? 'READY' : 'LOST',
    cordoned: false,
    lease_expires_at: null,
    replicas: rows.map((row): Replica => ({
      model: row.model,
      version: row.version,
      version_id: row.version_id,
      config_revision: row.config_revision,
      ...externalState(row),
      next: null,
      updated_at: (row.reported_at ?? node.updated_at).toISOString(),
    })),
    created_at: node.created_at.toISOString(),
  };
}

function externalState({ is_ready, reported_at }: ExternalReplicaRow): Pick<Replica, 'state' | 'reason'> {
  if (is_ready) return { state: 'READY', reason: null };
  return reported_at === null
    ? { state: 'ASSIGNED', reason: 'No gateway has looked yet, or lately.' }
    : { state: 'FAILED', reason: 'No gateway finds it ready.' };
}

export function toNodeInfo(node: NodeEntity, replicas: readonly NamedReplica[]): NodeInfo {
  return {
    id: node.id,
    name: node.name,
    address: node.address,
    labels: node.labels,
    external: false,
    capacity: { cores: node.cores, memory_bytes: node.memory_bytes },
    program_version: node.program_version,
    state: node.state,
    cordoned: node.cordoned,
    lease_expires_at: node.lease_expires_at.toISOString(),
    replicas: replicas.map((replica) => ({
      model: replica.model,
      version: replica.version,
      version_id: replica.version_id,
      config_revision: replica.config_revision,
      state: replica.state,
      reason: replica.reason,
      next: replica.next,
      updated_at: replica.updated_at.toISOString(),
    })),
    created_at: node.created_at.toISOString(),
  };
}
