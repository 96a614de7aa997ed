/** Rows to routing table. Pure. */
import { leastRowBytes } from '#contracts/rows';
import type { Snapshot, SnapshotModel, SnapshotReplica } from '#contracts/snapshot';
import type { ExternalReplicaRow, ServingReplicaRow, SnapshotRows } from './snapshot-rows.js';

export interface Issuer {
  readonly issuer: string;
  readonly audience: string;
}

export function buildSnapshot(rows: SnapshotRows, { issuer, audience }: Issuer): Snapshot {
  const replicas = groupBy(rows.replicas, (row) => row.version_id);
  const external = groupBy(rows.externalReplicas, (row) => row.version_id);
  const versions = groupBy(rows.versions, (row) => row.model_id);
  const models = rows.models.map((model): SnapshotModel => {
    const ready = versions.get(model.id) ?? [];
    const numbers = new Set(ready.map((version) => version.number));
    return {
      name: model.name,
      aliases: Object.fromEntries(Object.entries(model.aliases).filter(([, number]) => numbers.has(number))),
      versions: ready.map((version) => ({
        version: version.number,
        default_timeout_ms: version.default_timeout_ms,
        row_bytes: version.signature ? leastRowBytes(version.signature) : null,
        replicas: [
          ...servingReplicas(replicas.get(version.id) ?? []),
          ...(external.get(version.id) ?? []).map(toExternalReplica),
        ],
      })),
    };
  });
  return {
    revision: rows.revision,
    issuer,
    audience,
    jwks: { keys: [...rows.keys] },
    disabled_clients: [...rows.disabledClients],
    revoked_sessions: [...rows.revokedSessions],
    issuers: [...rows.issuers],
    api_tokens: [...rows.apiTokens],
    teams: [...rows.teams],
    client_limits: [...rows.clientLimits],
    models,
    external_nodes: [...rows.externalNodes],
    endpoints: [...rows.endpoints],
    quotas: [...rows.quotas],
  };
}

const toExternalReplica = (row: ExternalReplicaRow): SnapshotReplica => ({
  node_id: row.node_id,
  address: row.address,
  serves: { model: row.served_model, version: row.served_version },
});

/** A node that is leaving serves only what nobody else serves yet, so that a drain costs no request. */
export function servingReplicas(rows: readonly ServingReplicaRow[]): SnapshotReplica[] {
  const staying = rows.filter((row) => !row.leaving);
  return (staying.length > 0 ? staying : rows).map(({ node_id, address }) => ({ node_id, address }));
}

function groupBy<T>(rows: readonly T[], keyOf: (row: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group) group.push(row);
    else groups.set(keyOf(row), [row]);
  }
  return groups;
}
