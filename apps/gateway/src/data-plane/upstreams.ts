/**
 * Nodes and replicas as this gateway sees them: connections, load and health. They outlive snapshots: a replica keeps what was
 * learnt about it for as long as each snapshot lists it.
 */
import { Client, Pool } from 'undici';
import type { Dispatcher } from 'undici';
import type { SnapshotExternalNode } from '#contracts/snapshot';
import { newLoad } from '#routing/balancer';
import type { Load } from '#routing/balancer';
import { newHealth } from '#routing/outlier';
import type { Health } from '#routing/outlier';
import { Gate } from './gate.js';
import type { GateSettings } from './gate.js';

/** A server that is not Sluice's own. */
export interface ExternalServer {
  /** What it wants to see; our own credential is never sent to it. */
  readonly authorization: string | undefined;
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
  /** How connections to it are opened. */
  readonly connecting: Client.Options;
  readonly load: Load;
  readonly health: Health;
}

/** Whom connections to nodes trust, and how they show themselves; undefined: what Node trusts, and not at all. */
export interface NodeTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that the certificate must have; undefined: that of the address. */
  readonly servername?: string | undefined;
}

export interface UpstreamSettings extends GateSettings {
  readonly connectTimeoutMs: number;
  readonly nodeTls: NodeTls;
}

/** Shorter than any node keeps an idle connection, so that ours closes first. A node's Keep-Alive hint shortens it further. */
const keepAliveMs = 4_000;

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

const clientOptions = (connectTimeoutMs: number, tls: NodeTls): Client.Options => ({
  pipelining: 1,
  connect: { timeout: connectTimeoutMs, ...definedOf(tls) },
  keepAliveTimeout: keepAliveMs,
  keepAliveMaxTimeout: 30_000,
  // The request's own deadline governs.
  headersTimeout: 0,
  bodyTimeout: 0,
});

/** undici spreads its options over others: what is undefined must not be there. */
const definedOf = (tls: NodeTls): NodeTls =>
  Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));

/** Where a replica is, and what the server there calls it. */
export interface ReplicaSite {
  readonly nodeId: string;
  readonly address: string;
  readonly path: string;
  readonly external: Pick<SnapshotExternalNode, 'authorization' | 'ca_pem' | 'server_name'> | undefined;
}

const isSame = (replica: Replica, { external }: ReplicaSite, pool: Pool): boolean =>
  replica.pool === pool && replica.external?.authorization === (external?.authorization ?? undefined);

/** Finds or makes a replica. */
export type MakeReplica = (model: string, version: number, site: ReplicaSite) => Replica;
/** Finds or makes the gate of a version, wide enough for its replicas. */
export type MakeGate = (model: string, version: number, replicas: number) => Gate;

export class Upstreams {
  private gates = new Map<string, Gate>();
  private pools = new Map<string, Pool>();
  private replicas = new Map<string, Replica>();

  constructor(private readonly settings: UpstreamSettings) {}

  /**
   * Runs `build` with a function that finds or makes replicas, then lets go of all that it did not ask for. A connection pool that
   * is let go finishes the requests that it has.
   */
  rebuild<T>(nowMs: number, build: (replica: MakeReplica, gate: MakeGate) => T): T {
    const pools = new Map<string, Pool>();
    const replicas = new Map<string, Replica>();
    const gates = new Map<string, Gate>();
    const poolAt = ({ address, external }: ReplicaSite): Pool => {
      const key = external ? JSON.stringify([address, external.ca_pem, external.server_name]) : address;
      const pool = pools.get(key) ?? this.pools.get(key) ?? this.connect(address, this.tlsOf(external));
      pools.set(key, pool);
      return pool;
    };
    const makeGate: MakeGate = (model, version, count) => {
      const key = `${model}/${version}`;
      const gate = this.gates.get(key) ?? new Gate(this.settings);
      gates.set(key, gate);
      gate.resize(count);
      return gate;
    };
    const makeReplica: MakeReplica = (model, version, site) => {
      const key = `${model}/${version} ${site.nodeId} ${site.address} ${site.path}`;
      const pool = poolAt(site);
      const last = this.replicas.get(key);
      const replica = last && isSame(last, site, pool) ? last : this.newReplica(site, pool, last, nowMs);
      replicas.set(key, replica);
      return replica;
    };
    const built = build(makeReplica, makeGate);
    for (const [key, pool] of this.pools) if (!pools.has(key)) pool.close(() => undefined);
    this.pools = pools;
    this.replicas = replicas;
    this.gates = gates;
    return built;
  }

  /** All that the table of the moment lists. */
  all(): Iterable<Replica> {
    return this.replicas.values();
  }

  /** Requests that wait for room at a node. */
  get waiting(): number {
    let total = 0;
    for (const gate of this.gates.values()) total += gate.waitingCount;
    return total;
  }

  /** Breaks off what is still under way. */
  async destroy(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.destroy()));
  }

  private tlsOf(external: ReplicaSite['external']): NodeTls {
    const { nodeTls } = this.settings;
    if (!external) return nodeTls;
    return { ...nodeTls, ca: external.ca_pem ?? nodeTls.ca, servername: external.server_name ?? undefined };
  }

  /** What was learnt of the last one holds for the next, which only differs in how it is spoken to. */
  private newReplica(site: ReplicaSite, pool: Pool, last: Replica | undefined, nowMs: number): Replica {
    const { nodeId, address, path, external } = site;
    const isReady = last?.external?.isReady ?? false;
    return {
      nodeId,
      address,
      path,
      external: external && { authorization: external.authorization ?? undefined, isReady },
      pool,
      connecting: clientOptions(this.settings.connectTimeoutMs, this.tlsOf(external)),
      load: last?.load ?? newLoad(nowMs),
      health: last?.health ?? newHealth(),
    };
  }

  private connect(address: string, tls: NodeTls): Pool {
    return new Pool(new URL(address).origin, {
      ...clientOptions(this.settings.connectTimeoutMs, tls),
      connections: this.settings.maxConnectionsPerNode,
    });
  }
}
