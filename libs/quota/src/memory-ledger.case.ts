/** A ledger in memory with the arithmetic of the real one, for tests of those who spend. */
import type { LeaseAnswer, LeaseCall, LeaseGrant, LeaseItem } from '#contracts/quotas';
import { emptyRow, serve } from './ledger.js';
import type { LedgerRow, LedgerRule } from './ledger.js';

export class MemoryLedger {
  readonly rows = new Map<string, LedgerRow>();
  private readonly leases = new Map<string, number>();
  private readonly holders = new Map<string, { sequence: number; answer: LeaseAnswer }>();
  calls = 0;

  constructor(
    private readonly ruleOf: (quotaId: string) => LedgerRule | undefined,
    private readonly nowMs: () => number,
    private readonly leaseMs = 30_000,
  ) {}

  call({ holder, sequence, items }: LeaseCall): LeaseAnswer {
    const last = this.holders.get(holder);
    if (last?.sequence === sequence) return last.answer;
    this.calls += 1;
    const grants = items.flatMap((item) => this.grant(holder, item) ?? []);
    const answer = { lease_ms: this.leaseMs, gateways: Math.max(1, this.holders.size), grants };
    this.holders.set(holder, { sequence, answer });
    return answer;
  }

  /** The lease of a holder that was not heard for too long: what it held counts as used. */
  expire(holder: string): void {
    for (const [name, amount] of this.leases) {
      if (!name.endsWith(holder)) continue;
      const count = name.slice(0, -holder.length);
      const row = this.rows.get(count) ?? emptyRow;
      this.rows.set(count, { ...row, used: row.used + amount, leased: row.leased - amount });
      this.leases.delete(name);
    }
  }

  private grant(holder: string, item: LeaseItem): LeaseGrant | undefined {
    const rule = this.ruleOf(item.quota_id);
    if (!rule) return undefined;
    const count = `${item.quota_id} ${item.key} `;
    const before = this.rows.get(count) ?? emptyRow;
    const { row, held, rolled, grant } = serve(
      rule,
      before,
      this.leases.get(count + holder),
      item,
      this.nowMs(),
    );
    if (rolled) for (const name of this.leases.keys()) if (name.startsWith(count)) this.leases.delete(name);
    this.rows.set(count, row);
    if (held > 0) this.leases.set(count + holder, held);
    else this.leases.delete(count + holder);
    return { quota_id: item.quota_id, key: item.key, ...grant };
  }
}
