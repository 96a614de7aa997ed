/** A ledger in memory with the arithmetic of the real one, for tests of those who spend. */
import type { LeaseAnswer, LeaseCall, LeaseGrant } from '#contracts/quotas';
import { asRepeated, emptyRow, endLease, serve } from './ledger.js';
import type { LedgerRow, LedgerRule } from './ledger.js';

export class MemoryLedger {
  readonly rows = new Map<string, LedgerRow>();
  private readonly holders = new Map<string, { sequence: number; heardMs: number; ended: boolean }>();
  calls = 0;

  constructor(
    private readonly ruleOf: (quotaId: string) => LedgerRule | undefined,
    private readonly nowMs: () => number,
    private readonly leaseMs = 30_000,
  ) {}

  /** @returns undefined for a holder whose leases have ended: it must begin anew */
  call({ holder, sequence, items }: LeaseCall): LeaseAnswer | undefined {
    const known = this.holders.get(holder);
    if (known ? known.ended || sequence < known.sequence : sequence > 1) return undefined;
    const isRepeated = known?.sequence === sequence;
    this.holders.set(holder, { sequence, heardMs: this.nowMs(), ended: false });
    this.calls += 1;
    const grants = items.flatMap((item): LeaseGrant[] => {
      const rule = this.ruleOf(item.quota_id);
      if (!rule) return [];
      const { quota_id, key } = item;
      const count = `${quota_id} ${key}`;
      const before = this.rows.get(count) ?? emptyRow;
      const { row, grant } = serve(rule, before, holder, isRepeated ? asRepeated(item) : item, this.nowMs());
      this.rows.set(count, row);
      return [{ quota_id, key, ...grant }];
    });
    return { lease_ms: this.leaseMs, gateways: this.holders.size, grants };
  }

  /** Ends the leases of those who were not heard for too long. */
  sweep(): void {
    for (const [holder, known] of this.holders)
      if (!known.ended && this.nowMs() - known.heardMs > this.leaseMs + 1_000) this.expire(holder);
  }

  /** Ends the leases of a holder. */
  expire(holder: string): void {
    const known = this.holders.get(holder);
    if (known) known.ended = true;
    for (const [count, row] of this.rows) {
      const rule = this.ruleOf(count.split(' ')[0] ?? '');
      if (rule) this.rows.set(count, endLease(rule, row, holder, this.nowMs()));
    }
  }
}
