/** A snapshot, compiled for lookups. Immutable; each new snapshot makes a whole new table, and what must survive it is passed in. */
import type { Snapshot, SnapshotModel, SnapshotReplica } from '#contracts/snapshot';
import { compileRoutes } from '#routing/resolve';
import type { EndpointRoutes, RoutableVersion } from '#routing/resolve';
import type { Authenticator } from './authenticate.js';
import type { Gate } from './gate.js';
import { compileClientLimits } from './authorize.js';
import type { ClientRules } from './authorize.js';
import type { EndpointCounters, TrafficCounters } from './traffic-counters.js';
import type { MakeGate, MakeReplica, Replica } from './upstreams.js';

export interface TableVersion extends RoutableVersion {
  /** The version number as a header value. */
  readonly label: string;
  readonly timeoutMs: number;
  readonly replicas: readonly Replica[];
  readonly gate: Gate;
  /** Its part of a path at the node: `/models/{model}/versions/{n}`. */
  readonly path: string;
}

export interface TableEndpoint {
  readonly name: string;
  readonly model: string;
  readonly routes: EndpointRoutes<TableVersion>;
  readonly counters: EndpointCounters;
}

export interface RoutingTable extends ClientRules {
  readonly snapshot: Snapshot;
  readonly authenticator: Authenticator;
  readonly endpoints: ReadonlyMap<string, TableEndpoint>;
}

interface Makers {
  readonly replica: MakeReplica;
  readonly gate: MakeGate;
}

/** Those of external nodes are left out: nothing here asks yet whether they are ready. */
const ownReplicas = (rows: readonly SnapshotReplica[]): SnapshotReplica[] =>
  rows.filter(({ serves }) => serves === undefined);

function compileVersions(model: SnapshotModel, { replica, gate }: Makers): Map<number, TableVersion> {
  const rows = model.versions.map((row) => ({ ...row, replicas: ownReplicas(row.replicas) }));
  return new Map(
    rows.map(({ version, default_timeout_ms, replicas }) => [
      version,
      {
        version,
        ready: replicas.length > 0,
        label: String(version),
        timeoutMs: default_timeout_ms,
        replicas: replicas.map(({ node_id, address }) => replica(model.name, version, node_id, address)),
        gate: gate(model.name, version, replicas.length),
        path: `/models/${encodeURIComponent(model.name)}/versions/${version}`,
      },
    ]),
  );
}

export function compileTable(
  snapshot: Snapshot,
  authenticator: Authenticator,
  counters: TrafficCounters,
  makers: Makers,
): RoutingTable {
  const models = new Map(
    snapshot.models.map((model) => [
      model.name,
      { aliases: model.aliases, versions: compileVersions(model, makers) },
    ]),
  );
  const nothing = { aliases: {}, versions: new Map<number, TableVersion>() };
  const endpoints = snapshot.endpoints.map(({ name, model, traffic }): [string, TableEndpoint] => {
    const { aliases, versions } = models.get(model) ?? nothing;
    return [
      name,
      {
        name,
        model,
        routes: compileRoutes(name, traffic, versions, aliases),
        counters: counters.endpoint(name),
      },
    ];
  });
  return {
    snapshot,
    authenticator,
    disabledClients: new Set(snapshot.disabled_clients),
    revokedSessions: new Set(snapshot.revoked_sessions),
    clientLimits: compileClientLimits(snapshot.client_limits),
    endpoints: new Map(endpoints),
  };
}
