/** What executions of different sizes cost, measured at warm-up and kept up by traffic. It knows no clock and runs nothing. */

/** Sizes that are measured. */
export const batchSizes = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64] as const;

export interface Cost {
  readonly rows: number;
  readonly ms: number;
}

interface Entry {
  readonly rows: number;
  ms: number;
  /** Executions of this size; 0: only what the warm-up measured, perhaps of another shape. */
  seen: number;
}

/** Weight of the newest execution. */
const smoothing = 0.2;
/** So many first executions count by the best of them: the very first of a size also allocates. */
const settling = 3;
/** A larger size must be cheaper per row by this factor to be worth its latency. */
const gain = 0.97;
/** After so many executions the neighbours of the chosen size are tried again, as machines and inputs change. */
const probeEvery = 256;
/** So soon already when the choice has moved, or its cost has drifted. */
const probeSoonest = 16;
/** Such a change of the chosen size's cost is a drift. */
const drift = 0.25;

export class CostTable {
  /** Ascending by rows. */
  private readonly entries: Entry[];
  private best: number;
  /** The sizes to be tried next. */
  private probes: number[] = [];
  private sinceProbes = 0;
  /** What was chosen, and what it cost, when its neighbours were last tried. */
  private settled: Cost | undefined;

  constructor(costs: readonly Cost[] = []) {
    this.entries = costs.map(({ rows, ms }) => ({ rows, ms, seen: 0 })).sort((a, b) => a.rows - b.rows);
    this.best = this.cheapest();
  }

  /** The size to batch up to: where the cost per row has stopped falling, and now and then a neighbour, as a probe. */
  limit(): number {
    return this.probes[0] ?? this.chosen;
  }

  /** Takes an execution in. The first of a size replaces what the warm-up guessed; a size that is never measured says nothing. */
  add(cost: Cost): void {
    this.learn(cost);
    this.best = this.cheapest();
    this.probes.shift();
    this.sinceProbes += 1;
    if (this.isProbeDue()) this.planProbes();
  }

  /** The largest size that is measured and not above `rows`; executions of other sizes would teach nothing. */
  floor(rows: number): number {
    let size = Math.min(rows, 1);
    for (const measured of batchSizes) if (measured <= rows) size = measured;
    return size;
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

  private learn({ rows, ms }: Cost): void {
    const entry = this.entries.find((one) => one.rows === rows);
    if (!entry) this.begin({ rows, ms });
    else {
      if (entry.seen === 0) entry.ms = ms;
      else if (entry.seen < settling) entry.ms = Math.min(entry.ms, ms);
      else entry.ms += smoothing * (ms - entry.ms);
      entry.seen += 1;
    }
  }

  /** The warm-up has stopped below this size. */
  private begin({ rows, ms }: Cost): void {
    if (!batchSizes.some((size) => size === rows)) return;
    const above = this.entries.findIndex((one) => one.rows > rows);
    this.entries.splice(above === -1 ? this.entries.length : above, 0, { rows, ms, seen: 1 });
  }

  private isProbeDue(): boolean {
    if (this.sinceProbes >= probeEvery) return true;
    const now = this.entries[this.best];
    if (this.sinceProbes < probeSoonest || !now || !this.settled) return false;
    return now.rows !== this.settled.rows || Math.abs(now.ms / this.settled.ms - 1) > drift;
  }

  private planProbes(): void {
    const { chosen, best } = this;
    const below = this.entries[best - 1]?.rows;
    const above = this.entries[best + 1]?.rows ?? batchSizes.find((size) => size > chosen);
    this.probes = [below, above].filter((rows) => rows !== undefined);
    this.sinceProbes = 0;
    const now = this.entries[best];
    this.settled = now && { rows: now.rows, ms: now.ms };
  }

  /** Position of the size with the lowest cost per row. */
  private cheapest(): number {
    let best = 0;
    let bestPerRow = Infinity;
    for (const [position, { rows, ms }] of this.entries.entries())
      if (ms / rows < bestPerRow * gain) {
        best = position;
        bestPerRow = ms / rows;
      }
    return best;
  }
}
