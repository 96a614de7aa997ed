/**
 * Nodes and replicas as this gateway sees them: connections, load and health. They outlive snapshots: a replica keeps what was
 * learnt about it for as long as each snapshot lists it.
 */
import { Client, Pool, errors } from 'undici';
import type { Dispatcher } from 'undici';
import type { InferenceProtocol } from '#contracts/external-nodes';
import type { SnapshotExternalNode } from '#contracts/snapshot';
import { newLoad } from '#routing/balancer';
import type { Load } from '#routing/balancer';
import { newHealth } from '#routing/outlier';
import type { Health } from '#routing/outlier';
import { Gate } from './gate.js';
import type { GateSettings } from './gate.js';
import { nodeConnector } from './node-connector.js';
import type { Connector, NodeTls, ServerTls } from './node-connector.js';
import type { AnswerHandler } from './node-lane/answer.js';
import { NodeLane } from './node-lane/lane.js';
import type { NodeRequest } from './node-lane/lane.js';
import { plainConnector } from './node-lane/plain-connector.js';

/** A server that is not Sluice's own. */
export interface ExternalServer {
  /** What it wants to see; our own credential is never sent to it. */
  readonly authorization: string | undefined;
  readonly protocols: readonly InferenceProtocol[];
  /** As the checks of this gateway found it; before the first it counts as not ready. */
  isReady: boolean;
}

export interface Replica {
  readonly nodeId: string;
  readonly address: string;
  /** Its version's part of a path there: `/models/{model}/versions/{n}`. */
  readonly path: string;
  /** Undefined for a node of ours. */
  readonly external: ExternalServer | undefined;
  readonly pool: Pool;
  /** For plain requests; only nodes of ours have one. */
  readonly lane: NodeLane | undefined;
  /** How connections to it are opened. */
  readonly connecting: ConnectOptions;
  readonly load: Load;
  readonly health: Health;
}

/** Nodes of ours speak both. */
export const speaks = ({ external }: Replica, protocol: InferenceProtocol): boolean =>
  external?.protocols.includes(protocol) ?? true;

export interface UpstreamSettings extends GateSettings {
  readonly connectTimeoutMs: number;
  /** Of the moment: the same object until something changes. */
  readonly nodeTls: () => NodeTls;
  /** Whether plain requests go past undici. */
  readonly hasFastLane: boolean;
}

/** Shorter than any node keeps an idle connection, so that ours closes first. A node's Keep-Alive hint shortens it further. */
const keepAliveMs = 4_000;
const maxKeepAliveMs = 30_000;

type ConnectOptions = Client.Options & { readonly connect: Connector };

/** Sends a request whose body can be sent again, by the shortest way that the replica has. */
export function dispatchHeld(
  { lane, pool }: Replica,
  request: NodeRequest,
  handler: AnswerHandler & Dispatcher.DispatchHandler,
): void {
  if (lane) lane.dispatch(request, handler);
  else pool.dispatch({ ...request, headers: [...request.headers], body: request.body ?? null }, handler);
}

/** Sends on a connection of its own: a retry must not meet another stale socket of the pool. */
export function dispatchAlone(
  { address, connecting }: Replica,
  options: Dispatcher.DispatchOptions,
  handler: Dispatcher.DispatchHandler,
): void {
  const client = new Client(new URL(address).origin, connecting);
  client.dispatch(options, handler);
  client.close(() => undefined);
}

const connectOptions = (
  { connectTimeoutMs, nodeTls }: UpstreamSettings,
  own: ServerTls | undefined,
): ConnectOptions => ({
  pipelining: 1,
  connect: nodeConnector(nodeTls, own, connectTimeoutMs),
  keepAliveTimeout: keepAliveMs,
  keepAliveMaxTimeout: maxKeepAliveMs,
  // The request's own deadline governs.
  headersTimeout: 0,
  bodyTimeout: 0,
});

/** Where a replica is, and what the server there calls it. */
export interface ReplicaSite {
  readonly nodeId: string;
  readonly address: string;
  readonly path: string;
  readonly external: Omit<SnapshotExternalNode, 'node_id'> | undefined;
}

const isSame = (replica: Replica, { external }: ReplicaSite, { pool }: Connections): boolean =>
  replica.pool === pool &&
  replica.external?.authorization === (external?.authorization ?? undefined) &&
  replica.external?.protocols.join() === external?.protocols.join();

/** Connections to one address, and how they are opened. */
type Connections = Pick<Replica, 'pool' | 'lane' | 'connecting'>;

/** A version at a server that is not ours. */
export interface ExternalReplica {
  readonly model: string;
  readonly version: number;
  readonly replica: Replica;
  readonly server: ExternalServer;
}

/** What the versions of one model are reached through. */
interface ModelUpstreams {
  /** By version, then by node. */
  readonly replicas: Map<number, Map<string, Replica>>;
  readonly gates: Map<number, Gate>;
  readonly connections: Map<string, Connections>;
}

const noUpstreams = (): ModelUpstreams => ({ replicas: new Map(), gates: new Map(), connections: new Map() });

function ofKey<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/** The upstreams of the next table while it is made. Before {@link commit}, nothing has changed but the width of gates with replicas. */
export interface Rebuilding {
  /** Finds or makes a replica. */
  replica(model: string, version: number, site: ReplicaSite): Replica;
  /** Finds or makes the gate of a version, wide enough for its replicas. */
  gate(model: string, version: number, replicas: number): Gate;
  /** Takes all of a model over as it is. */
  keep(model: string): void;
  /**
   * Lets go of all that was not asked for, once the next table is in force: a connection pool finishes the requests that it has, and
   * who waits at a gate without replicas looks for another version.
   */
  commit(): void;
}

export class Upstreams {
  private models = new Map<string, ModelUpstreams>();
  private connections = new Map<string, Connections>();

  constructor(private readonly settings: UpstreamSettings) {}

  rebuild(nowMs: number): Rebuilding {
    const models = new Map<string, ModelUpstreams>();
    const connections = new Map<string, Connections>();
    const staffed = new Set<Gate>();
    const of = (model: string): ModelUpstreams => ofKey(models, model, noUpstreams);
    return {
      replica: (model, version, site) => {
        const own = of(model);
        const connected = this.connect(site, connections, own.connections);
        const before = this.models.get(model)?.replicas.get(version)?.get(site.nodeId);
        const last = before?.address === site.address && before.path === site.path ? before : undefined;
        const replica =
          last && isSame(last, site, connected) ? last : newReplica(site, connected, last, nowMs);
        ofKey(own.replicas, version, () => new Map<string, Replica>()).set(site.nodeId, replica);
        return replica;
      },
      gate: (model, version, count) => {
        const gate = this.models.get(model)?.gates.get(version) ?? new Gate(this.settings);
        of(model).gates.set(version, gate);
        if (count > 0) {
          staffed.add(gate);
          gate.resize(count);
        }
        return gate;
      },
      keep: (model) => {
        const last = this.models.get(model) ?? noUpstreams();
        models.set(model, last);
        for (const [key, connected] of last.connections) connections.set(key, connected);
      },
      commit: () => this.replace(models, connections, staffed),
    };
  }

  /** All that the table of the moment lists. */
  *all(): Generator<Replica> {
    for (const { replicas } of this.models.values())
      for (const ofVersion of replicas.values()) yield* ofVersion.values();
  }

  /** Of those, the external ones with the version that each serves. */
  *external(): Generator<ExternalReplica> {
    for (const [model, { replicas }] of this.models)
      for (const [version, ofVersion] of replicas)
        for (const replica of ofVersion.values())
          if (replica.external) yield { model, version, replica, server: replica.external };
  }

  /** Requests that wait for room at a node. */
  get waiting(): number {
    let total = 0;
    for (const { gates } of this.models.values())
      for (const gate of gates.values()) total += gate.waitingCount;
    return total;
  }

  /** Breaks off what is still under way. */
  async destroy(): Promise<void> {
    const all = [...this.connections.values()];
    for (const { lane } of all) lane?.destroy(new errors.ClientDestroyedError());
    await Promise.all(all.map(({ pool }) => pool.destroy()));
  }

  /** @param staffed gates of changed models that have replicas */
  private replace(
    models: Map<string, ModelUpstreams>,
    connections: Map<string, Connections>,
    staffed: ReadonlySet<Gate>,
  ): void {
    const before = { models: this.models, connections: this.connections };
    this.models = models;
    this.connections = connections;
    for (const [key, { pool, lane }] of before.connections) {
      if (connections.has(key)) continue;
      pool.close(() => undefined);
      lane?.close();
    }
    for (const [model, last] of before.models) {
      if (models.get(model) === last) continue;
      for (const gate of last.gates.values()) if (!staffed.has(gate)) gate.resize(0);
    }
  }

  private connect(
    { address, external }: ReplicaSite,
    next: Map<string, Connections>,
    ofModel: Map<string, Connections>,
  ): Connections {
    const key = external ? JSON.stringify([address, external.ca_pem, external.server_name]) : address;
    const connected = next.get(key) ?? this.connections.get(key) ?? this.newConnections(address, external);
    next.set(key, connected);
    ofModel.set(key, connected);
    return connected;
  }

  private newConnections(address: string, external: ReplicaSite['external']): Connections {
    const { maxConnectionsPerNode, hasFastLane, connectTimeoutMs } = this.settings;
    const connecting = connectOptions(this.settings, external && ownTlsOf(external));
    const { origin, protocol } = new URL(address);
    const lane = {
      connect: protocol === 'https:' ? connecting.connect : plainConnector(connectTimeoutMs),
      maxConnections: maxConnectionsPerNode,
      keepAliveMs,
      maxKeepAliveMs,
    };
    return {
      pool: new Pool(origin, { ...connecting, connections: maxConnectionsPerNode }),
      lane: hasFastLane && !external ? new NodeLane(origin, lane) : undefined,
      connecting,
    };
  }
}

const ownTlsOf = ({ ca_pem, server_name }: NonNullable<ReplicaSite['external']>): ServerTls => ({
  ca: ca_pem ?? undefined,
  servername: server_name ?? undefined,
});

/** What was learnt of the last one holds for the next, which only differs in how it is spoken to. */
function newReplica(
  { nodeId, address, path, external }: ReplicaSite,
  connections: Connections,
  last: Replica | undefined,
  nowMs: number,
): Replica {
  // What it has not been asked yet, it is not known to be ready for.
  const isReady =
    last?.external?.isReady === true &&
    external?.protocols.every((protocol) => speaks(last, protocol)) === true;
  return {
    nodeId,
    address,
    path,
    external: external && {
      authorization: external.authorization ?? undefined,
      protocols: external.protocols,
      isReady,
    },
    ...connections,
    load: last?.load ?? newLoad(nowMs),
    health: last?.health ?? newHealth(),
  };
}
