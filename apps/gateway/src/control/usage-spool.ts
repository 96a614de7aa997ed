/**
 * The spool of what was used: sums that wait, and the one batch that is being sent, which never changes until it is taken. Pure;
 * bounded by the number of different sums. Whoever keeps it on disk can send again after any crash: the registry takes a batch once.
 */
import { UsageRow } from '#contracts/usage';
import type { UsageBatch } from '#contracts/usage';
import { z } from 'zod';

export const SavedSpool = z.object({
  source: z.uuid(),
  sequence: z.int().min(0),
  sending: z.array(UsageRow),
  waiting: z.array(UsageRow),
});
export type SavedSpool = z.infer<typeof SavedSpool>;

export const maxBatchRows = 2_000;
export const maxWaitingRows = 100_000;

const nameOf = ({ hour, team, client_id, endpoint, version, outcome }: UsageRow): string =>
  JSON.stringify([hour, team, client_id, endpoint, version, outcome]);

const add = (a: UsageRow, b: UsageRow): UsageRow => ({
  ...a,
  requests: a.requests + b.requests,
  request_bytes: a.request_bytes + b.request_bytes,
  response_bytes: a.response_bytes + b.response_bytes,
  node_us: a.node_us + b.node_us,
});

export class UsageSpool {
  /** Requests whose sums found no room. */
  lost = 0;
  private sending: UsageRow[];
  private sequence: number;
  private readonly source: string;
  private readonly waiting: Map<string, UsageRow>;

  constructor(saved: SavedSpool) {
    this.source = saved.source;
    this.sequence = saved.sequence;
    this.sending = [...saved.sending];
    this.waiting = new Map(saved.waiting.map((row) => [nameOf(row), row]));
  }

  put(rows: readonly UsageRow[]): void {
    for (const row of rows) {
      const name = nameOf(row);
      const known = this.waiting.get(name);
      if (known || this.waiting.size < maxWaitingRows) this.waiting.set(name, known ? add(known, row) : row);
      else this.lost += row.requests;
    }
  }

  /** The batch to send: the one that was not taken yet, or the next; undefined when nothing waits. Save before it is sent. */
  batch(): UsageBatch | undefined {
    if (this.sending.length === 0) this.fill();
    if (this.sending.length === 0) return undefined;
    return { source: this.source, sequence: this.sequence, rows: this.sending };
  }

  /** The registry has taken the batch. */
  taken(): void {
    this.sending = [];
  }

  save(): SavedSpool {
    const { source, sequence, sending, waiting } = this;
    return { source, sequence, sending, waiting: [...waiting.values()] };
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
