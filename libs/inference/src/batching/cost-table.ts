/** What executions of different sizes cost, measured at warm-up and kept up by traffic. It knows no clock and runs nothing. */

/** Sizes that are measured. */
export const batchSizes = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64] as const;

export interface Cost {
  readonly rows: number;
  readonly ms: number;
}

interface Entry {
  ms: number;
  /** Whether traffic has confirmed what the warm-up measured. */
  isSeen: boolean;
}

/** Weight of the newest execution. */
const smoothing = 0.2;
/** A larger size must be cheaper per row by this factor to be worth its latency. */
const gain = 0.97;
/** So often the next larger size is tried again, as machines and inputs change. */
const probeEvery = 256;

export class CostTable {
  private readonly entries: Map<number, Entry>;
  private executions = 0;
  private best: number;

  constructor(costs: readonly Cost[] = []) {
    this.entries = new Map(
      [...costs].sort((a, b) => a.rows - b.rows).map(({ rows, ms }) => [rows, { ms, isSeen: false }]),
    );
    this.best = this.cheapest();
  }

  get costs(): Cost[] {
    return [...this.entries].map(([rows, { ms }]) => ({ rows, ms }));
  }

  /** The size to batch up to: where the cost per row has stopped falling, and now and then the one above it, as a probe. */
  limit(): number {
    if (this.executions % probeEvery !== probeEvery - 1) return this.best;
    return this.costs.find(({ rows }) => rows > this.best)?.rows ?? this.best;
  }

  /** Takes an execution in. The first of a size replaces what the warm-up guessed; a size outside the table says nothing. */
  add({ rows, ms }: Cost): void {
    this.executions += 1;
    const entry = this.entries.get(rows);
    if (!entry) return;
    entry.ms = entry.isSeen ? entry.ms + smoothing * (ms - entry.ms) : ms;
    entry.isSeen = true;
    this.best = this.cheapest();
  }

  /** The largest size of the table that is not above `rows`; executions of other sizes would teach nothing. */
  floor(rows: number): number {
    let size = Math.min(rows, 1);
    for (const known of this.entries.keys()) if (known <= rows) size = Math.max(size, known);
    return size;
  }

  /** Predicted cost of `rows`, on the line between its neighbours; beyond the table in proportion to the rows. */
  predictMs(rows: number): number {
    const { costs } = this;
    const above = costs.findIndex((cost) => cost.rows >= rows);
    const upper = costs[above];
    const lower = costs[above === -1 ? costs.length - 1 : above - 1];
    if (!upper) return lower ? (lower.ms * rows) / lower.rows : 0;
    if (!lower || upper.rows === rows) return upper.ms;
    return lower.ms + ((upper.ms - lower.ms) * (rows - lower.rows)) / (upper.rows - lower.rows);
  }

  private cheapest(): number {
    let best = { rows: 1, perRow: Infinity };
    for (const [rows, { ms }] of this.entries)
      if (ms / rows < best.perRow * gain) best = { rows, perRow: ms / rows };
    return best.rows;
  }
}
