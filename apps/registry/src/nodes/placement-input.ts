/** What the database's rows mean to the placement plan. Pure. */
import { allot, memoryOfRunners, neededInstances } from '#contracts/allotment';
import type { VersionStatus } from '#contracts/models';
import type { NextRevision, ReplicaState } from '#contracts/nodes';
import type { Signature } from '#contracts/tensors';
import type { CurrentReplica, WantedVersion } from '#routing/placement';

export interface VersionRow {
  readonly id: string;
  readonly status: Extract<VersionStatus, 'PENDING' | 'READY'>;
  readonly status_reason: string | null;
  readonly config_revision: number;
  readonly replicas: number;
  /** null: the node decides. */
  readonly instances: number | null;
  readonly intra_op_threads: number | null;
  readonly pinned: boolean;
  readonly profile_memory_bytes: number | null;
  /** Both 0 before it has been measured. */
  readonly latency_ms: number;
  readonly warmup_ms: number;
  readonly signature: Signature | null;
  readonly file_bytes: number;
  readonly in_traffic: boolean;
  readonly has_alias: boolean;
}

export interface ReplicaRow {
  readonly node_id: string;
  readonly version_id: string;
  readonly wanted: boolean;
  readonly config_revision: number;
  readonly state: ReplicaState;
  readonly next: NextRevision | null;
  readonly attempts: number;
  readonly retry_at: Date | null;
}

/**
 * What one replica takes on a node of so many cores: measured when the version was checked, a guess from its files before
 * that.
 */
export function memoryOf(version: VersionRow, cores: number): number {
  const { profile_memory_bytes: measuredBytes, file_bytes: fileBytes } = version;
  const instances = neededInstances(version, allot(version, cores), version);
  return memoryOfRunners(instances, { measuredBytes, fileBytes });
}

/** A version is checked on one node, kept warm on one, and held on as many as its config says while callers can reach it by name. */
export function toWanted(version: VersionRow, cores: number): WantedVersion {
  const isReachable = version.in_traffic || version.has_alias;
  return {
    versionId: version.id,
    replicas: version.status === 'READY' && isReachable ? version.replicas : 1,
    memoryBytes: memoryOf(version, cores),
    pinned: version.pinned,
    priority: priorityOf(version),
  };
}

function priorityOf(version: VersionRow): number {
  if (version.in_traffic) return 0;
  if (version.status === 'PENDING') return 1;
  return version.has_alias ? 2 : 3;
}

/** A failure under an older config says nothing about the one that is wanted now. */
export function toCurrent(replica: ReplicaRow, version: VersionRow | undefined): CurrentReplica | undefined {
  const isFailed = replica.state === 'FAILED';
  const isOldFailure = isFailed && replica.config_revision !== version?.config_revision;
  if (isOldFailure || (!replica.wanted && !isFailed)) return undefined;
  return {
    nodeId: replica.node_id,
    versionId: replica.version_id,
    state: stateOf(replica.state),
    attempts: replica.attempts,
    retryAtMs: replica.retry_at?.getTime() ?? 0,
  };
}

function stateOf(state: ReplicaState): CurrentReplica['state'] {
  switch (state) {
    case 'READY':
      return 'ready';
    case 'FAILED':
      return 'failed';
    case 'ASSIGNED':
    case 'FETCHING':
    case 'LOADING':
    case 'DRAINING':
      return 'starting';
  }
}
