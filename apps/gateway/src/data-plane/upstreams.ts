/**
 * Nodes and replicas as this gateway sees them: connections, load and health. They outlive snapshots: a replica keeps what was
 * learnt about it for as long as each snapshot lists it.
 */
import { Client, Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { newLoad } from '#routing/balancer';
import type { Load } from '#routing/balancer';
import { newHealth } from '#routing/outlier';
import type { Health } from '#routing/outlier';
import { Gate } from './gate.js';
import type { GateSettings } from './gate.js';

export interface Replica {
  readonly nodeId: string;
  readonly address: string;
  /** Where it says whether it can serve its version. */
  readonly readyPath: string;
  readonly pool: Pool;
  readonly load: Load;
  readonly health: Health;
}

export interface UpstreamSettings extends GateSettings {
  readonly connectTimeoutMs: number;
}

/** Shorter than any node keeps an idle connection, so that ours closes first. A node's Keep-Alive hint shortens it further. */
const keepAliveMs = 4_000;

/** Sends on a connection of its own: a retry must not meet another stale socket of the pool. */
export function dispatchAlone(
  address: string,
  settings: UpstreamSettings,
  options: Dispatcher.DispatchOptions,
  handler: Dispatcher.DispatchHandler,
): void {
  const client = new Client(new URL(address).origin, clientOptions(settings));
  client.dispatch(options, handler);
  client.close(() => undefined);
}

const clientOptions = ({ connectTimeoutMs }: UpstreamSettings): Client.Options => ({
  pipelining: 1,
  connect: { timeout: connectTimeoutMs },
  keepAliveTimeout: keepAliveMs,
  keepAliveMaxTimeout: 30_000,
  // The request's own deadline governs.
  headersTimeout: 0,
  bodyTimeout: 0,
});

/** Finds or makes a replica. */
export type MakeReplica = (model: string, version: number, nodeId: string, address: string) => Replica;
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
    const poolAt = (address: string): Pool => {
      const pool = pools.get(address) ?? this.pools.get(address) ?? this.connect(address);
      pools.set(address, pool);
      return pool;
    };
    const makeGate: MakeGate = (model, version, count) => {
      const key = `${model}/${version}`;
      const gate = this.gates.get(key) ?? new Gate(this.settings);
      gates.set(key, gate);
      gate.resize(count);
      return gate;
    };
    const makeReplica: MakeReplica = (model, version, nodeId, address) => {
      const key = JSON.stringify([model, version, nodeId, address]);
      const replica = this.replicas.get(key) ?? {
        nodeId,
        address,
        readyPath: `/v2/models/${encodeURIComponent(model)}/versions/${version}/ready`,
        pool: poolAt(address),
        load: newLoad(nowMs),
        health: newHealth(),
      };
      poolAt(address);
      replicas.set(key, replica);
      return replica;
    };
    const built = build(makeReplica, makeGate);
    for (const [address, pool] of this.pools) if (!pools.has(address)) pool.close(() => undefined);
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

  private connect(address: string): Pool {
    return new Pool(new URL(address).origin, {
      ...clientOptions(this.settings),
      connections: this.settings.maxConnectionsPerNode,
    });
  }
}
