/**
 * What executions of different sizes cost, measured at warm-up and kept up by traffic, and the size up to which it pays to
 * batch. It knows no clock and runs nothing.
 */

/** Sizes that are measured. */
export const batchSizes = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64] as const;

export interface Cost {
  readonly rows: number;
  readonly ms: number;
}

interface Entry {
  readonly rows: number;
  /** What the warm-up measured, perhaps of another shape. */
  readonly guessMs: number;
  ms: number;
  /** Its first executions since it was last put to the test. */
  trial: number[];
  /** What the last execution took, if it was oddly long. */
  oddMs: number | undefined;
}

/** Weight of the newest execution. */
const smoothing = 0.2;
/** A size is tried so often in a row, and the middle one counts: the very first also allocates. */
const trialRuns = 3;
/** Longer than usual by this factor is odd, and counts only (and as no more than double) when the next one is odd too. */
const oddity = 1.5;
/** A larger size must be cheaper per row by this factor to be worth its latency. */
const gain = 0.97;
/** After so many executions the neighbours of the chosen size are tried again, as machines and inputs change. */
const probeEvery = 256;
/** So soon already when the choice has moved, or its cost has drifted. */
const probeSoonest = 16;
/** Such a change of the chosen size's cost is a drift. */
const drift = 0.25;
/** So many sizes above the largest that an execution had may be chosen on the warm-up's word, when it measured another shape. */
const reach = 2;

export class CostTable {
  /** Ascending by rows. */
  private readonly entries: Entry[];
  private best: number;
  /** The sizes to be tried next. */
  private probes: number[] = [];
  private sinceProbes = 0;
  /** What was chosen, and what it cost, when its neighbours were last tried. */
  private settled: Cost | undefined;
  /** Position of the largest size that may be chosen. */
  private highest: number;

  /** @param isHint the costs are of another shape: larger sizes are tried step by step, as a wrong one may take seconds */
  constructor(costs: readonly Cost[] = [], isHint = false) {
    this.entries = costs
      .map(({ rows, ms }) => ({ rows, guessMs: ms, ms, trial: [], oddMs: undefined }))
      .sort((a, b) => a.rows - b.rows);
    this.highest = isHint ? reach - 1 : Infinity;
    this.best = this.cheapest();
  }

  /** The size to batch up to: where the cost per row has stopped falling, and now and then a neighbour, as a probe. */
  limit(): number {
    return this.probes[0] ?? this.chosen;
  }

  /** Takes an execution in. One between two sizes tells of the nearest what it took beside what was predicted. */
  add(cost: Cost): void {
    const isAsked = cost.rows === this.limit();
    const position = this.learn(cost);
    this.highest = Math.max(this.highest, position + reach);
    this.best = this.cheapest();
    this.probes.shift();
    if (isAsked && this.entries[position]?.trial.length === 1 && this.probes[0] !== cost.rows)
      this.probes.unshift(...trials(cost.rows).slice(1));
    this.sinceProbes += 1;
    if (this.isProbeDue()) this.planProbes();
  }

  /** Predicted cost of `rows`, on the line between its neighbours; beyond the table in proportion to the rows. */
  predictMs(rows: number): number {
    const { entries } = this;
    const above = entries.findIndex((entry) => entry.rows >= rows);
    const upper = entries[above];
    const lower = entries[above === -1 ? entries.length - 1 : above - 1];
    if (!upper) return lower ? (lower.ms * rows) / lower.rows : 0;
    if (!lower || upper.rows === rows) return upper.ms;
    return lower.ms + ((upper.ms - lower.ms) * (rows - lower.rows)) / (upper.rows - lower.rows);
  }

  private get chosen(): number {
    return this.entries[this.best]?.rows ?? 1;
  }

  /** Gives the position of the size that learned; -1 when the table is empty. */
  private learn(cost: Cost): number {
    const position = this.positionOf(cost);
    const entry = this.entries[position];
    if (!entry) return -1;
    const ms = entry.rows === cost.rows ? cost.ms : (entry.ms * cost.ms) / this.predictMs(cost.rows);
    if (entry.trial.length === trialRuns) follow(entry, ms);
    else {
      entry.trial.push(ms);
      entry.ms = middle(entry.trial);
      this.rescaleAround(position, entry.ms / entry.guessMs);
    }
    return position;
  }

  /** Of its size, or of the nearest one. */
  private positionOf(cost: Cost): number {
    const exact = this.entries.findIndex(({ rows }) => rows === cost.rows);
    const position = exact === -1 ? this.begin(cost) : exact;
    if (position !== -1) return position;
    const distances = this.entries.map(({ rows }) => Math.abs(rows - cost.rows));
    return distances.indexOf(Math.min(...distances));
  }

  /** The warm-up has stopped below this size. -1: it is none of those that are measured. */
  private begin({ rows, ms }: Cost): number {
    if (!batchSizes.some((size) => size === rows)) return -1;
    const above = this.entries.findIndex((one) => one.rows > rows);
    const position = above === -1 ? this.entries.length : above;
    this.entries.splice(position, 0, { rows, guessMs: ms, ms, trial: [], oddMs: undefined });
    return position;
  }

  /** Sizes that no execution has had keep the warm-up's proportions to the nearest one that has. */
  private rescaleAround(position: number, ratio: number): void {
    for (const step of [-1, 1])
      for (let at = position + step; ; at += step) {
        const entry = this.entries[at];
        if (entry?.trial.length !== 0) break;
        entry.ms = entry.guessMs * ratio;
      }
  }

  private isProbeDue(): boolean {
    if (this.sinceProbes >= probeEvery) return true;
    const now = this.entries[this.best];
    if (this.sinceProbes < probeSoonest || !now || !this.settled) return false;
    return now.rows !== this.settled.rows || Math.abs(now.ms / this.settled.ms - 1) > drift;
  }

  private planProbes(): void {
    const { chosen, best, entries } = this;
    const neighbours = [entries[best - 1], entries[best + 1]];
    // What they cost long ago counts no more.
    for (const entry of neighbours) if (entry) entry.trial = [];
    const [below, above] = neighbours.map((entry) => entry?.rows);
    const next = above ?? batchSizes.find((size) => size > chosen);
    this.probes = [below, next].flatMap((rows) => (rows === undefined ? [] : trials(rows)));
    this.sinceProbes = 0;
    const now = entries[best];
    this.settled = now && { rows: now.rows, ms: now.ms };
  }

  /** Position of the size with the lowest cost per row. */
  private cheapest(): number {
    let best = 0;
    let bestPerRow = Infinity;
    for (const [position, { rows, ms }] of this.entries.entries())
      if (position <= this.highest && ms / rows < bestPerRow * gain) {
        best = position;
        bestPerRow = ms / rows;
      }
    return best;
  }
}

/** Moves what an entry usually costs towards its newest execution. */
function follow(entry: Entry, ms: number): void {
  const isOdd = ms > oddity * entry.ms;
  const counted = isOdd ? Math.min(ms, entry.oddMs ?? entry.ms, 2 * entry.ms) : ms;
  entry.ms += smoothing * (counted - entry.ms);
  entry.oddMs = isOdd ? ms : undefined;
}

/** The lower one of two. */
const middle = (times: readonly number[]): number =>
  [...times].sort((a, b) => a - b)[(times.length - 1) >> 1] ?? 0;

const trials = (rows: number): number[] => Array<number>(trialRuns).fill(rows);
