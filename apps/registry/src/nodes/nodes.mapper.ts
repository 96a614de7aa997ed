import type { NodeInfo } from '#contracts/nodes';
import type { NodeEntity, ReplicaEntity } from '#database/entities/node.entity';

/** A replica with the names that its version goes by. */
export interface NamedReplica extends Pick<
  ReplicaEntity,
  'node_id' | 'version_id' | 'config_revision' | 'state' | 'reason' | 'next' | 'updated_at'
> {
  readonly model: string;
  readonly version: number;
}

export function toNodeInfo(node: NodeEntity, replicas: readonly NamedReplica[]): NodeInfo {
  return {
    id: node.id,
    name: node.name,
    address: node.address,
    labels: node.labels,
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
