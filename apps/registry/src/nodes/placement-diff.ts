/** The difference between what is planned and what the database holds. Pure. */
import type { PlacementPlan } from '#routing/placement';
import type { ReplicaRow, VersionRow } from './placement-input.js';

/** A replica that the plan wants, as it shall be written. */
export interface WantedReplica {
  readonly node_id: string;
  readonly version_id: string;
  readonly config_revision: number;
}

export interface ReplicaKey {
  readonly node_id: string;
  readonly version_id: string;
}

export interface PlacementDiff {
  readonly wanted: readonly WantedReplica[];
  readonly unwanted: readonly ReplicaKey[];
  /** Memories of failures of versions that nobody wants any more. */
  readonly forgotten: readonly ReplicaKey[];
  /** Why versions have too few replicas; null where there was a reason and is none now. */
  readonly reasons: readonly { readonly version_id: string; readonly reason: string | null }[];
  /** Nodes whose assignments change. */
  readonly nodeIds: readonly string[];
  /** Something that serves stops to, or may begin to. */
  readonly routingChanged: boolean;
}

const keyOf = (key: ReplicaKey): string => `${key.node_id} ${key.version_id}`;

export function diffPlacement(
  plan: PlacementPlan,
  versions: ReadonlyMap<string, VersionRow>,
  rows: readonly ReplicaRow[],
): PlacementDiff {
  const rowByKey = new Map(rows.map((row) => [keyOf(row), row]));
  const wanted = plan.replicas.flatMap(({ nodeId, versionId }) => {
    const version = versions.get(versionId);
    const row = rowByKey.get(keyOf({ node_id: nodeId, version_id: versionId }));
    return version ? wantedChange(nodeId, version, row) : [];
  });
  const plannedKeys = new Set(
    plan.replicas.map(({ nodeId, versionId }) => keyOf({ node_id: nodeId, version_id: versionId })),
  );
  const unwanted = rows.filter((row) => row.wanted && !plannedKeys.has(keyOf(row)));
  const touched = [...wanted, ...unwanted];
  return {
    wanted,
    unwanted,
    forgotten: rows.filter((row) => !row.wanted && row.state === 'FAILED' && !versions.has(row.version_id)),
    reasons: reasonChanges(plan, versions, rows),
    nodeIds: [...new Set(touched.map((replica) => replica.node_id))].sort(),
    routingChanged: touched.some((replica) => {
      const row = rowByKey.get(keyOf(replica));
      return row?.state === 'READY' && row.wanted === unwanted.includes(row);
    }),
  };
}

/** Nothing, if the row already says so. */
function wantedChange(nodeId: string, version: VersionRow, row: ReplicaRow | undefined): WantedReplica[] {
  const sameConfig = row?.config_revision === version.config_revision;
  if (row?.wanted && sameConfig && row.state !== 'FAILED') return [];
  return [{ node_id: nodeId, version_id: version.id, config_revision: version.config_revision }];
}

function reasonChanges(
  plan: PlacementPlan,
  versions: ReadonlyMap<string, VersionRow>,
  rows: readonly ReplicaRow[],
): PlacementDiff['reasons'] {
  const unplaced = new Map(plan.unplaced.map((entry) => [entry.versionId, entry]));
  const stuck = new Map(rows.filter(isStuck).map((row) => [row.version_id, row]));
  return [...versions.values()].flatMap((version) => {
    const entry = unplaced.get(version.id);
    const missing = entry ? `Waits for ${replicaCount(entry.missing)}. ${entry.reason}` : undefined;
    const parts = [missing, stuckReason(version, stuck.get(version.id))].filter((part) => part !== undefined);
    const reason = parts.length === 0 ? null : parts.join(' ');
    return reason === version.status_reason ? [] : [{ version_id: version.id, reason }];
  });
}

const isStuck = (row: ReplicaRow): boolean => row.wanted && row.next?.state === 'FAILED';

/** It serves, but not as it was told to. */
function stuckReason(version: VersionRow, row: ReplicaRow | undefined): string | undefined {
  if (row?.next?.config_revision !== version.config_revision) return undefined;
  return `Config revision ${version.config_revision} could not be loaded, the one before it goes on serving: ${row.next.reason}`;
}

const replicaCount = (count: number): string => (count === 1 ? 'a replica' : `${count} replicas`);
