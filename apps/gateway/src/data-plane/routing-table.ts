/** A snapshot, compiled for lookups. Immutable; each new snapshot makes a whole new table, and what must survive it is passed in. */
import type { InferenceProtocol } from '#contracts/external-nodes';
import type {
  Snapshot,
  SnapshotEndpoint,
  SnapshotExternalNode,
  SnapshotModel,
  SnapshotReplica,
  SnapshotVersion,
} from '#contracts/snapshot';
import type { Steps } from '#platform/time-slices';
import { compileRoutes } from '#routing/resolve';
import type { EndpointRoutes, RoutableVersion } from '#routing/resolve';
import type { ApiTokens } from './api-tokens.js';
import type { Authenticator, Identity } from './authenticate.js';
import type { BodyLimits } from './body.js';
import type { Refusal } from './errors.js';
import type { Gate } from './gate.js';
import { compileClientLimits } from './authorize.js';
import type { ClientRules } from './authorize.js';
import type { EndpointCounters, TrafficCounters } from './traffic-counters.js';
import { speaks } from './upstreams.js';
import type { Rebuilding, Replica, ReplicaSite } from './upstreams.js';

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
}

/** One for callers of each protocol: some external nodes speak one of them only. */
type ByProtocol<T> = Readonly<Record<InferenceProtocol, T>>;
type Versions = ReadonlyMap<number, TableVersion>;

/** The versions of a model that could serve. */
interface TableModel {
  /** What it was made from. */
  readonly row: SnapshotModel | undefined;
  readonly versions: Versions;
  readonly versionsFor: ByProtocol<Versions>;
  /** Then it changes without its row. */
  readonly hasExternal: boolean;
}

export interface TableEndpoint {
  /** What it was made from. */
  readonly row: SnapshotEndpoint;
  readonly versionsOf: TableModel;
  readonly name: string;
  readonly model: string;
  /** Whatever the replicas speak: for views. Requests go by {@link routesFor}. */
  readonly routes: EndpointRoutes<TableVersion>;
  readonly routesFor: ByProtocol<EndpointRoutes<TableVersion>>;
  readonly counters: EndpointCounters;
  readonly limits: BodyLimits;
  readonly hedge: boolean;
}

/** What finds out who calls. */
interface Who {
  readonly authenticator: Authenticator;
  readonly apiTokens: ApiTokens;
}

export interface RoutingTable extends ClientRules, Who {
  readonly snapshot: Snapshot;
  readonly models: ReadonlyMap<string, TableModel>;
  readonly endpoints: ReadonlyMap<string, TableEndpoint>;
}

/** What a table is made with beside its snapshot. */
export interface Makings extends Who {
  readonly counters: TrafficCounters;
  readonly upstreams: Rebuilding;
  /** Of this gateway; those of an endpoint can only be narrower. */
  readonly limits: BodyLimits;
  /** The table before this one: what was made from the same objects of a snapshot is taken over. */
  readonly last: RoutingTable | undefined;
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

const plain: Omit<SnapshotExternalNode, 'node_id'> = {
  authorization: null,
  ca_pem: null,
  server_name: null,
  protocols: ['oip'],
};

const takesTraffic = ({ external }: Replica): boolean => external?.isReady ?? true;

function compileVersion(
  model: string,
  { version, default_timeout_ms, row_bytes: rowBytes, replicas: rows }: SnapshotVersion,
  upstreams: Rebuilding,
  externalNodes: ExternalNodes,
): TableVersion {
  const path = `/models/${encodeURIComponent(model)}/versions/${version}`;
  const known = rows.map((row) => upstreams.replica(model, version, siteOf(row, path, externalNodes)));
  const replicas = known.filter(takesTraffic);
  return {
    version,
    ready: replicas.length > 0,
    label: String(version),
    timeoutMs: default_timeout_ms,
    rowBytes,
    replicas,
    gate: upstreams.gate(model, version, replicas.length),
    path,
  };
}

/** Without the replicas that do not speak the protocol. */
const speaking = (versions: readonly TableVersion[], protocol: InferenceProtocol): Versions =>
  byNumber(
    versions.map((version) => {
      const replicas = version.replicas.filter((replica) => speaks(replica, protocol));
      return { ...version, replicas, ready: replicas.length > 0 };
    }),
  );

const byNumber = (versions: readonly TableVersion[]): Versions =>
  new Map(versions.map((one) => [one.version, one]));

const forAll = <T>(one: T): ByProtocol<T> => ({ oip: one, tfserving: one });

function narrowed({ holdBytes, maxBodyBytes }: BodyLimits, own: number | null): BodyLimits {
  const bytes = Math.min(maxBodyBytes, own ?? Infinity);
  return { holdBytes: Math.min(holdBytes, bytes), maxBodyBytes: bytes };
}

const nothing: TableModel = {
  row: undefined,
  versions: new Map(),
  versionsFor: forAll(new Map()),
  hasExternal: false,
};

function compileModel(
  row: SnapshotModel,
  externalNodes: ExternalNodes,
  { upstreams, last }: Makings,
): TableModel {
  const known = last?.models.get(row.name);
  if (known?.row === row && !known.hasExternal) {
    upstreams.keep(row.name);
    return known;
  }
  const compiled = row.versions.map((one) => compileVersion(row.name, one, upstreams, externalNodes));
  const versions = byNumber(compiled);
  const hasExternal = row.versions.some(({ replicas }) =>
    replicas.some(({ serves }) => serves !== undefined),
  );
  const versionsFor = hasExternal
    ? { oip: speaking(compiled, 'oip'), tfserving: speaking(compiled, 'tfserving') }
    : forAll(versions);
  return { row, versions, versionsFor, hasExternal };
}

function compileEndpoint(row: SnapshotEndpoint, versionsOf: TableModel, makings: Makings): TableEndpoint {
  const { name, model, traffic } = row;
  const known = makings.last?.endpoints.get(name);
  if (known?.row === row && known.versionsOf === versionsOf) return known;
  const routesOver = (versions: Versions): EndpointRoutes<TableVersion> =>
    compileRoutes(name, traffic, versions, versionsOf.row?.aliases ?? {});
  const routes = routesOver(versionsOf.versions);
  const { oip, tfserving } = versionsOf.versionsFor;
  return {
    row,
    versionsOf,
    name,
    model,
    routes,
    routesFor: versionsOf.hasExternal
      ? { oip: routesOver(oip), tfserving: routesOver(tfserving) }
      : forAll(routes),
    counters: makings.counters.endpoint(name),
    limits: narrowed(makings.limits, traffic.max_body_bytes),
    hedge: traffic.hedge,
  };
}

/** Makes the table in steps: a large one would hold the event loop. */
export function* compileTable(snapshot: Snapshot, makings: Makings): Steps<RoutingTable> {
  const externalNodes = new Map(snapshot.external_nodes.map((node) => [node.node_id, node]));
  const models = new Map<string, TableModel>();
  for (const row of snapshot.models) {
    models.set(row.name, compileModel(row, externalNodes, makings));
    yield;
  }
  const endpoints = new Map<string, TableEndpoint>();
  for (const row of snapshot.endpoints) {
    endpoints.set(row.name, compileEndpoint(row, models.get(row.model) ?? nothing, makings));
    yield;
  }
  return {
    snapshot,
    authenticator: makings.authenticator,
    apiTokens: makings.apiTokens,
    disabledClients: new Set(snapshot.disabled_clients),
    revokedSessions: new Set(snapshot.revoked_sessions),
    clientLimits: compileClientLimits(snapshot.client_limits),
    models,
    endpoints,
  };
}

/** Who sends this Authorization header: at once for what is known, else a promise. */
export const identify = (
  { apiTokens, authenticator }: Who,
  authorization: string | undefined,
  nowMs: number,
): Identity | Refusal | Promise<Identity | Refusal> =>
  apiTokens.find(authorization, nowMs) ?? authenticator.authenticate(authorization, nowMs);
