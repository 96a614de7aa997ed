/** One cost table for each kind of request that a version gets: an image of another size costs something else. */
import { CostTable } from './cost-table.js';
import type { Cost } from './cost-table.js';

/** More kinds than that are no traffic to learn from. */
const maxKinds = 64;

export class CostTables {
  private readonly tables = new Map<string, CostTable>();

  /**
   * @param warmup what every kind starts from, until its own executions say better
   * @param isHint the warm-up had to guess the shape of a row
   */
  constructor(
    private readonly warmup: readonly Cost[],
    private readonly isHint = false,
  ) {}

  /** The table of a kind; the kind that first came longest ago is forgotten when there are too many. */
  of(kind: string): CostTable {
    const known = this.tables.get(kind);
    if (known) return known;
    const [oldest] = this.tables.keys();
    if (this.tables.size >= maxKinds && oldest !== undefined) this.tables.delete(oldest);
    const made = new CostTable(this.warmup, this.isHint);
    this.tables.set(kind, made);
    return made;
  }
}
