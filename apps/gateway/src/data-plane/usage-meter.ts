/** What is used, summed in memory by hour, team, client, endpoint, version and outcome. Adding to a sum allocates nothing. */
import type { UsageRow } from '#contracts/usage';
import type { OutcomeCode } from './outcome-code.js';

interface Sum {
  requests: number;
  requestBytes: number;
  responseBytes: number;
  nodeUs: number;
}

/** One request. */
export interface Used {
  /** Empty for a token that names none. */
  readonly team: string;
  readonly client: string;
  readonly endpoint: string;
  /** 0 when none was chosen. */
  readonly version: number;
  readonly outcome: OutcomeCode;
}

type Outcomes = Map<OutcomeCode, Sum>;
type Versions = Map<number, Outcomes>;
type Endpoints = Map<string, Versions>;
type Clients = Map<string, Endpoints>;
type Tree = Map<string, Clients>;

const hourMs = 3_600_000;

function child<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

const newClients = (): Clients => new Map();
const newEndpoints = (): Endpoints => new Map();
const newVersions = (): Versions => new Map();
const newOutcomes = (): Outcomes => new Map();
const newSum = (): Sum => ({ requests: 0, requestBytes: 0, responseBytes: 0, nodeUs: 0 });

function* rowsOf(tree: Tree, hour: string): Generator<UsageRow> {
  for (const [team, clients] of tree)
    for (const [client_id, endpoints] of clients)
      for (const [endpoint, versions] of endpoints)
        for (const [version, outcomes] of versions)
          for (const [outcome, sum] of outcomes)
            yield {
              hour,
              team,
              client_id,
              endpoint,
              version,
              outcome,
              requests: sum.requests,
              request_bytes: sum.requestBytes,
              response_bytes: sum.responseBytes,
              node_us: Math.round(sum.nodeUs),
            };
}

export class UsageMeter {
  private tree: Tree = new Map();
  private hour = 0;
  private closed: UsageRow[] = [];

  /** @param nowMs by the wall clock */
  add(used: Used, nowMs: number, requestBytes: number, responseBytes: number, nodeMs: number): void {
    const hour = Math.floor(nowMs / hourMs);
    if (hour !== this.hour) {
      this.closeHour();
      this.hour = hour;
    }
    const clients = child(this.tree, used.team, newClients);
    const endpoints = child(clients, used.client, newEndpoints);
    const versions = child(endpoints, used.endpoint, newVersions);
    const outcomes = child(versions, used.version, newOutcomes);
    const sum = child(outcomes, used.outcome, newSum);
    sum.requests += 1;
    sum.requestBytes += requestBytes;
    sum.responseBytes += responseBytes;
    sum.nodeUs += nodeMs * 1_000;
  }

  /** Takes out what was summed since the last time. */
  drain(): UsageRow[] {
    this.closeHour();
    const rows = this.closed;
    this.closed = [];
    return rows;
  }

  private closeHour(): void {
    if (this.tree.size === 0) return;
    this.closed.push(...rowsOf(this.tree, new Date(this.hour * hourMs).toISOString()));
    this.tree = new Map();
  }
}
