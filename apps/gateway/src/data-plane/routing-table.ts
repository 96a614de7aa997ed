/** A snapshot, compiled for lookups. Immutable; each new snapshot makes a whole new table, and what must survive it is passed in. */
import type { Snapshot, SnapshotExternalNode, SnapshotReplica, SnapshotVersion } from '#contracts/snapshot';
import { compileRoutes } from '#routing/resolve';
import type { EndpointRoutes, RoutableVersion } from '#routing/resolve';
import type { Authenticator } from './authenticate.js';
import type { BodyLimits } from './body.js';
import type { Gate } from './gate.js';
import { compileClientLimits } from './authorize.js';
import type { ClientRules } from './authorize.js';
import type { EndpointCounters, TrafficCounters } from './traffic-counters.js';
import type { MakeGate, MakeReplica, Replica, ReplicaSite } from './upstreams.js';

export interface TableVersion extends RoutableVersion {
  /** The version number as a header value. */
  readonly label: string;
  readonly timeoutMs: number;
  /** The fewest bytes that one row can take in a body; null: a request is one row. */
  readonly rowBytes: number | null;
  readonly replicas: readonly Replica[];
  readonly gate: Gate;
  /** Its part of a path at nodes of ours: `/models/{model}/versions/{n}`. */
  readonly path: string;
  /** External nodes speak the Open Inference Protocol only. */
  readonly hasExternal: boolean;
}

export interface TableEndpoint {
  readonly name: string;
  readonly model: string;
  readonly routes: EndpointRoutes<TableVersion>;
  readonly counters: EndpointCounters;
  readonly limits: BodyLimits;
  readonly hedge: boolean;
}

export interface RoutingTable extends ClientRules {
  readonly snapshot: Snapshot;
  readonly authenticator: Authenticator;
  readonly endpoints: ReadonlyMap<string, TableEndpoint>;
}

/** What a table is made with beside its snapshot. */
export interface Makers {
  readonly replica: MakeReplica;
  readonly gate: MakeGate;
  /** Of this gateway; those of an endpoint can only be narrower. */
  readonly limits: BodyLimits;
}

type ExternalNodes = ReadonlyMap<string, SnapshotExternalNode>;

const servedPath = ({ model, version }: NonNullable<SnapshotReplica['serves']>): string =>
  `/models/${encodeURIComponent(model)}${version === null ? '' : `/versions/${encodeURIComponent(version)}`}`;

const siteOf = (row: SnapshotReplica, ownPath: string, externalNodes: ExternalNodes): ReplicaSite => ({
  nodeId: row.node_id,
  address: row.address,
  path: row.serves ? servedPath(row.serves) : ownPath,
  external: row.serves && (externalNodes.get(row.node_id) ?? plain),
});

const plain = { authorization: null, ca_pem: null, server_name: null };

const takesTraffic = ({ external }: Replica): boolean => external?.isReady ?? true;

function compileVersion(
  model: string,
  { version, default_timeout_ms, row_bytes: rowBytes, replicas: rows }: SnapshotVersion,
  { replica, gate }: Makers,
  externalNodes: ExternalNodes,
): TableVersion {
  const path = `/models/${encodeURIComponent(model)}/versions/${version}`;
  const known = rows.map((row) => replica(model, version, siteOf(row, path, externalNodes)));
  const replicas = known.filter(takesTraffic);
  return {
    version,
    ready: replicas.length > 0,
    label: String(version),
    timeoutMs: default_timeout_ms,
    rowBytes,
    replicas,
    gate: gate(model, version, replicas.length),
    path,
    hasExternal: replicas.some(({ external }) => external !== undefined),
  };
}

function narrowed({ holdBytes, maxBodyBytes }: BodyLimits, own: number | null): BodyLimits {
  const bytes = Math.min(maxBodyBytes, own ?? Infinity);
  return { holdBytes: Math.min(holdBytes, bytes), maxBodyBytes: bytes };
}

export function compileTable(
  snapshot: Snapshot,
  authenticator: Authenticator,
  counters: TrafficCounters,
  makers: Makers,
): RoutingTable {
  const externalNodes = new Map(snapshot.external_nodes.map((node) => [node.node_id, node]));
  const models = new Map(
    snapshot.models.map(({ name, aliases, versions }) => {
      const compiled = versions.map((row) => compileVersion(name, row, makers, externalNodes));
      return [name, { aliases, versions: new Map(compiled.map((one) => [one.version, one])) }];
    }),
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
        limits: narrowed(makers.limits, traffic.max_body_bytes),
        hedge: traffic.hedge,
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
