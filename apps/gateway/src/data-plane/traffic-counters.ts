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
}

/** Requests by outcome. */
export type Outcomes = Map<OutcomeCode, number>;

export class EndpointCounters {
  /** From arrival until the answer was over. */
  readonly latency = new Latency();
  /** From arrival until the request went to a node: the gateway's own work and the reading of the body. */
  readonly gateway = new Latency();
  /** From there until the answer began: node, network and retries. */
  readonly node = new Latency();
  readonly versions = new Map<number, Outcomes>();
  /** Refused before a version was chosen. */
  readonly unrouted: Outcomes = new Map();
}

const add = (outcomes: Outcomes, outcome: OutcomeCode): void => {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
};

/** So many clients are counted by name; those that come later share one row. */
export const maxClients = 1_000;
export const otherClients = '(other)';

export class TrafficCounters {
  readonly endpoints = new Map<string, EndpointCounters>();
  /** Refused before an endpoint was found. */
  readonly unrouted: Outcomes = new Map();
  readonly clients = new Map<string, Outcomes>();
  retries = 0;
  ejections = 0;
  passedThrough = 0;

  endpoint(name: string): EndpointCounters {
    let counters = this.endpoints.get(name);
    if (!counters) this.endpoints.set(name, (counters = new EndpointCounters()));
    return counters;
  }

  /** Forgets endpoints that are gone. */
  keepOnly(names: { has(name: string): boolean }): void {
    for (const name of this.endpoints.keys()) if (!names.has(name)) this.endpoints.delete(name);
  }

  count(endpoint: EndpointCounters | undefined, version: number | undefined, outcome: OutcomeCode): void {
    if (!endpoint) return add(this.unrouted, outcome);
    if (version === undefined) return add(endpoint.unrouted, outcome);
    let outcomes = endpoint.versions.get(version);
    if (!outcomes) endpoint.versions.set(version, (outcomes = new Map()));
    add(outcomes, outcome);
  }

  countClient(client: string, outcome: OutcomeCode): void {
    let outcomes = this.clients.get(client);
    if (!outcomes) {
      const name = this.clients.size < maxClients ? client : otherClients;
      outcomes = this.clients.get(name) ?? new Map();
      this.clients.set(name, outcomes);
    }
    add(outcomes, outcome);
  }
}
