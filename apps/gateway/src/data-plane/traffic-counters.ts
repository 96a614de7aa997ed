/**
 * Counters of the data plane: plain numbers that a request adds to. They survive snapshots; whoever wants to publish them reads
 * them from outside. Labels come only from the snapshot, the error table and, bounded in number, from verified tokens.
 */
import type { OutcomeCode } from './outcome-code.js';

/** Upper bounds in milliseconds. */
export const latencyBoundsMs = [
  0.5, 1, 2, 3, 5, 7.5, 10, 25, 50, 75, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
] as const;

/** A histogram with fixed bounds. */
export class Latency {
  /** One more than there are bounds: the last holds what exceeds them all. */
  readonly counts = new Float64Array(latencyBoundsMs.length + 1);
  sumMs = 0;

  observe(valueMs: number): void {
    let slot = 0;
    while (slot < latencyBoundsMs.length && valueMs > (latencyBoundsMs[slot] ?? 0)) slot += 1;
    this.counts[slot] = (this.counts[slot] ?? 0) + 1;
    this.sumMs += valueMs;
  }

  add(other: Latency): void {
    for (const [slot, count] of other.counts.entries()) this.counts[slot] = (this.counts[slot] ?? 0) + count;
    this.sumMs += other.sumMs;
  }
}

/** Requests by outcome. */
export type Outcomes = Map<OutcomeCode, number>;

export class EndpointCounters {
  constructor(readonly name: string) {}

  /** From arrival until the answer was over. */
  readonly latency = new Latency();
  /** From arrival until the request went to a node: the gateway's own work and the reading of the body. */
  readonly gateway = new Latency();
  /** From there until the answer began: node, network and retries. */
  readonly node = new Latency();
  /** Of that, as the node measured it: the wait for a runner, and decoding, running and encoding. */
  readonly queue = new Latency();
  readonly compute = new Latency();
  /** By version, 0 for what was refused before one was chosen, and by team, empty for tokens that name none. */
  readonly versions = new Map<number, Map<string, Outcomes>>();
}

const add = (outcomes: Outcomes, outcome: OutcomeCode): void => {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
};

/** What is counted by name is bounded; what comes later shares one row, under this name. */
export const others = '(other)';
export const maxClients = 1_000;
export const maxNamedEndpoints = 500;
/** Of endpoint, version and team. */
export const maxRows = 10_000;

export class TrafficCounters {
  readonly endpoints = new Map<string, EndpointCounters>();
  /** Refused before an endpoint was found. */
  readonly unrouted: Outcomes = new Map();
  /** Of endpoints, versions and teams for which there was no row. */
  readonly overflow: Outcomes = new Map();
  readonly clients = new Map<string, Outcomes>();
  /** Endpoints that have rows, in the order of their first requests. */
  readonly named = new Map<string, EndpointCounters>();
  private rows = 0;
  retries = 0;
  /** Requests for which a second replica was asked because the first was slow. */
  hedges = 0;
  ejections = 0;
  passedThrough = 0;

  endpoint(name: string): EndpointCounters {
    let counters = this.endpoints.get(name);
    if (!counters) this.endpoints.set(name, (counters = new EndpointCounters(name)));
    return counters;
  }

  /** Forgets endpoints that are gone. */
  keepOnly(names: { has(name: string): boolean }): void {
    for (const name of this.endpoints.keys()) if (!names.has(name)) this.endpoints.delete(name);
    for (const [name, counters] of this.named) {
      if (names.has(name)) continue;
      this.named.delete(name);
      for (const teams of counters.versions.values()) this.rows -= teams.size;
    }
  }

  /** @param version 0 when none was chosen */
  count(endpoint: EndpointCounters | undefined, version: number, team: string, outcome: OutcomeCode): void {
    if (!endpoint) return add(this.unrouted, outcome);
    add(endpoint.versions.get(version)?.get(team) ?? this.openRow(endpoint, version, team), outcome);
  }

  private openRow(endpoint: EndpointCounters, version: number, team: string): Outcomes {
    const mayBeNamed = this.named.has(endpoint.name) || this.named.size < maxNamedEndpoints;
    if (!mayBeNamed || this.rows >= maxRows) return this.overflow;
    this.rows += 1;
    this.named.set(endpoint.name, endpoint);
    const teams = endpoint.versions.get(version) ?? new Map<string, Outcomes>();
    const outcomes: Outcomes = new Map();
    endpoint.versions.set(version, teams.set(team, outcomes));
    return outcomes;
  }

  countClient(client: string, outcome: OutcomeCode): void {
    let outcomes = this.clients.get(client);
    if (!outcomes) {
      const name = this.clients.size < maxClients ? client : others;
      outcomes = this.clients.get(name) ?? new Map();
      this.clients.set(name, outcomes);
    }
    add(outcomes, outcome);
  }
}
