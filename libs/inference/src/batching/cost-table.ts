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
/** So often a neighbour of the chosen size is tried again, as machines and inputs change. */
const probeEvery = 128;

export class CostTable {
  /** Ascending by rows. */
  private readonly entries: readonly Entry[];
  private executions = 0;
  private best: number;

  constructor(costs: readonly Cost[] = []) {
    this.entries = costs.map(({ rows, ms }) => ({ rows, ms, seen: 0 })).sort((a, b) => a.rows - b.rows);
    this.best = this.cheapest();
  }

  /** The size to batch up to: where the cost per row has stopped falling, and now and then a neighbour, as a probe. */
  limit(): number {
    const chosen = this.entries[this.best]?.rows ?? 1;
    if (this.executions % probeEvery !== probeEvery - 1) return chosen;
    const isUp = this.executions % (2 * probeEvery) === probeEvery - 1;
    return this.entries[this.best + (isUp ? 1 : -1)]?.rows ?? chosen;
  }

  /** Takes an execution in. The first of a size replaces what the warm-up guessed; a size outside the table says nothing. */
  add({ rows, ms }: Cost): void {
    this.executions += 1;
    const entry = this.entries.find((one) => one.rows === rows);
    if (!entry) return;
    if (entry.seen === 0) entry.ms = ms;
    else if (entry.seen < settling) entry.ms = Math.min(entry.ms, ms);
    else entry.ms += smoothing * (ms - entry.ms);
    entry.seen += 1;
    this.best = this.cheapest();
  }

  /** The largest size of the table that is not above `rows`; executions of other sizes would teach nothing. */
  floor(rows: number): number {
    let size = Math.min(rows, 1);
    for (const known of this.entries) if (known.rows <= rows) size = Math.max(size, known.rows);
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
