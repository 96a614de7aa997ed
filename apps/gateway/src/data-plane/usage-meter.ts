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

/** One sum of an hour. */
export interface UsageSum {
  /** Counts up from one drain to the next. */
  readonly number: number;
  readonly row: UsageRow;
}

/** What has changed: the sums, and all that was served, since the last drain. */
export interface UsageChanges {
  readonly sums: readonly UsageSum[];
  readonly served: Readonly<UsageTotals>;
}

interface Leaf extends UsageSum {
  isNoted: boolean;
}

type Outcomes = Map<OutcomeCode, Leaf>;
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

export class UsageMeter {
  /** Called when there is something to take by {@link takeChanges}, and again only when that was taken. */
  onChange: () => void = () => undefined;
  /** The same, counted apart from the sums: the one must equal the other. */
  private served = noUsage();
  private tree: Tree = new Map();
  private hour = 0;
  private leaves: Leaf[] = [];
  private changed: Leaf[] = [];

  /** @param nowMs by the wall clock */
  add(used: Used, nowMs: number, amounts: Readonly<UsageTotals>): void {
    const hour = Math.floor(nowMs / hourMs);
    if (hour !== this.hour) {
      this.tree = new Map();
      this.hour = hour;
    }
    const clients = child(this.tree, used.team, newClients);
    const endpoints = child(clients, used.client, newEndpoints);
    const versions = child(endpoints, used.endpoint, newVersions);
    const outcomes = child(versions, used.version, newOutcomes);
    const leaf = outcomes.get(used.outcome) ?? this.grow(outcomes, used);
    addUsage(leaf.row, amounts);
    addUsage(this.served, amounts);
    if (leaf.isNoted) return;
    leaf.isNoted = true;
    if (this.changed.push(leaf) === 1) this.onChange();
  }

  get isEmpty(): boolean {
    return this.leaves.length === 0;
  }

  takeChanges(): UsageChanges {
    const { changed: sums, served } = this;
    for (const leaf of sums) leaf.isNoted = false;
    this.changed = [];
    return { sums, served };
  }

  /** Takes out what was counted since the last time. */
  drain(): { readonly rows: UsageRow[]; readonly served: UsageTotals } {
    const { leaves, served } = this;
    this.takeChanges();
    this.tree = new Map();
    this.leaves = [];
    this.served = noUsage();
    return { rows: leaves.map(({ row }) => row), served };
  }

  private grow(outcomes: Outcomes, { team, client, endpoint, version, outcome }: Used): Leaf {
    const hour = new Date(this.hour * hourMs).toISOString();
    const row = { hour, team, client_id: client, endpoint, version, outcome, ...noUsage() };
    const leaf = { number: this.leaves.length, row, isNoted: false };
    this.leaves.push(leaf);
    outcomes.set(outcome, leaf);
    return leaf;
  }
}
