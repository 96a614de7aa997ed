/**
 * The spool of what was used: sums that wait, and the one batch that is being sent, which never changes until it is taken. Pure;
 * bounded by the number of different sums. Whoever keeps it on disk can send again after any crash: the registry takes a batch once.
 */
import { UsageRow, UsageTotals } from '#contracts/usage';
import type { UsageBatch } from '#contracts/usage';
import { addUsage, noUsage, sumUsage } from '#contracts/usage-totals';
import { z } from 'zod';

export const SavedSpool = z.object({
  source: z.uuid(),
  sequence: z.int().min(0),
  /** What was noted in journals before this one is in here. */
  journal: z.int().min(0).default(0),
  sending: z.array(UsageRow),
  waiting: z.array(UsageRow),
  served: UsageTotals,
  lost: UsageTotals,
});
export type SavedSpool = z.infer<typeof SavedSpool>;

export const maxBatchRows = 2_000;
export const maxWaitingRows = 100_000;

const nameOf = ({ hour, team, client_id, endpoint, version, outcome }: UsageRow): string =>
  JSON.stringify([hour, team, client_id, endpoint, version, outcome]);

const add = (a: UsageRow, b: UsageRow): UsageRow => ({ ...a, ...sumUsage([a, b]) });

export const emptySpool = (source: string): SavedSpool => ({
  source,
  sequence: 0,
  journal: 0,
  sending: [],
  waiting: [],
  served: noUsage(),
  lost: noUsage(),
});

export class UsageSpool {
  /** What found no room. */
  readonly lost: UsageTotals;
  /** All that was ever put in, as its meter counted it apart. */
  readonly served: UsageTotals;
  /** Where what is not in here is noted. */
  journal: number;
  private sending: UsageRow[];
  private sequence: number;
  private readonly source: string;
  private readonly waiting: Map<string, UsageRow>;

  constructor(saved: SavedSpool) {
    this.source = saved.source;
    this.sequence = saved.sequence;
    this.journal = saved.journal;
    this.sending = [...saved.sending];
    this.served = { ...saved.served };
    this.lost = { ...saved.lost };
    this.waiting = new Map(saved.waiting.map((row) => [nameOf(row), row]));
  }

  put(rows: readonly UsageRow[], served: UsageTotals): void {
    addUsage(this.served, served);
    for (const row of rows) {
      const name = nameOf(row);
      const known = this.waiting.get(name);
      if (known || this.waiting.size < maxWaitingRows) this.waiting.set(name, known ? add(known, row) : row);
      else addUsage(this.lost, row);
    }
  }

  /** The batch to send: the one that was not taken yet, or the next; undefined when nothing waits. Save before it is sent. */
  batch(): UsageBatch | undefined {
    if (this.sending.length === 0) this.fill();
    if (this.sending.length === 0) return undefined;
    const { source, sequence, sending: rows, served, lost } = this;
    const balance = { served: { ...served }, lost: { ...lost }, waiting: this.waitingTotals() };
    return { source, sequence, rows, balance };
  }

  /** What is neither sent nor being sent. */
  waitingTotals(): UsageTotals {
    return sumUsage(this.waiting.values());
  }

  /** The registry has taken the batch. */
  taken(): void {
    this.sending = [];
  }

  save(): SavedSpool {
    const { source, sequence, journal, sending, waiting, served, lost } = this;
    return { source, sequence, journal, sending, waiting: [...waiting.values()], served, lost };
  }

  private fill(): void {
    for (const [name, row] of this.waiting) {
      if (this.sending.length === maxBatchRows) break;
      this.sending.push(row);
      this.waiting.delete(name);
    }
    if (this.sending.length > 0) this.sequence += 1;
  }
}
