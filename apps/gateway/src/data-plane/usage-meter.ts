/** What is used, summed in memory by hour, team, client, endpoint, version and outcome. Adding to a sum allocates nothing. */
import type { UsageRow, UsageTotals } from '#contracts/usage';
import { addUsage, noUsage } from '#contracts/usage-totals';
import type { OutcomeCode } from './outcome-code.js';

/** What is on its way to the registry. */
export interface UsageBacklog {
  readonly lost: UsageTotals;
  waitingTotals(): UsageTotals;
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

type Outcomes = Map<OutcomeCode, UsageTotals>;
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
function* rowsOf(tree: Tree, hour: string): Generator<UsageRow> {
  for (const [team, clients] of tree)
    for (const [client_id, endpoints] of clients)
      for (const [endpoint, versions] of endpoints)
        for (const [version, outcomes] of versions)
          for (const [outcome, sum] of outcomes)
            yield { hour, team, client_id, endpoint, version, outcome, ...sum };
}

export class UsageMeter {
  /** The same, counted apart from the sums: the one must equal the other. */
  private served = noUsage();
  private tree: Tree = new Map();
  private hour = 0;
  private closed: UsageRow[] = [];

  /** @param nowMs by the wall clock */
  add(used: Used, nowMs: number, amounts: Readonly<UsageTotals>): void {
    const hour = Math.floor(nowMs / hourMs);
    if (hour !== this.hour) {
      this.closeHour();
      this.hour = hour;
    }
    const clients = child(this.tree, used.team, newClients);
    const endpoints = child(clients, used.client, newEndpoints);
    const versions = child(endpoints, used.endpoint, newVersions);
    const outcomes = child(versions, used.version, newOutcomes);
    const sum = child(outcomes, used.outcome, noUsage);
    addUsage(sum, amounts);
    addUsage(this.served, amounts);
  }

  /** Takes out what was counted since the last time. */
  drain(): { readonly rows: UsageRow[]; readonly served: UsageTotals } {
    this.closeHour();
    const { closed: rows, served } = this;
    this.closed = [];
    this.served = noUsage();
    return { rows, served };
  }

  private closeHour(): void {
    if (this.tree.size === 0) return;
    this.closed.push(...rowsOf(this.tree, new Date(this.hour * hourMs).toISOString()));
    this.tree = new Map();
  }
}
