/** A ledger in memory with the arithmetic of the real one, for tests of those who spend. */
import type { LeaseAnswer, LeaseCall, LeaseGrant } from '#contracts/quotas';
import { asRepeated, emptyRow, endLease, grantExtra, serve } from './ledger.js';
import type { LedgerRow, LedgerRule } from './ledger.js';

interface Holder {
  sequence: number;
  heardMs: number;
  holdMs: number;
  state: 'alive' | 'ended' | 'freed';
  /** On the clock that nobody sets. */
  endedMs: number;
}

export class MemoryLedger {
  readonly rows = new Map<string, LedgerRow>();
  private readonly holders = new Map<string, Holder>();
  calls = 0;

  constructor(
    private readonly ruleOf: (quotaId: string, key: string) => LedgerRule | undefined,
    private readonly nowMs: () => number,
    private readonly leaseMs = 30_000,
    private readonly monotonicMs = nowMs,
  ) {}

  /** @returns undefined for a holder whose leases have ended: it must begin anew */
  call({ holder, sequence, hold_ms: holdMs, items }: LeaseCall): LeaseAnswer | undefined {
    const known = this.holders.get(holder);
    if (known ? known.state !== 'alive' || sequence < known.sequence : sequence > 1) return undefined;
    const isRepeated = known?.sequence === sequence;
    this.holders.set(holder, { sequence, heardMs: this.monotonicMs(), holdMs, state: 'alive', endedMs: 0 });
    this.calls += 1;
    const grants = items.flatMap((item): LeaseGrant[] => {
      const { quota_id, key } = item;
      const rule = this.ruleOf(quota_id, key);
      if (!rule) return [];
      const before = this.row(quota_id, key);
      const { row, grant } = serve(rule, before, holder, isRepeated ? asRepeated(item) : item, this.nowMs());
      this.rows.set(`${quota_id} ${key}`, row);
      return [{ quota_id, key, ...grant }];
    });
    const gateways = [...this.holders.values()].filter(({ state }) => state === 'alive').length;
    return { lease_ms: this.leaseMs, gateways, grants };
  }

  row(quotaId: string, key: string): LedgerRow {
    return this.rows.get(`${quotaId} ${key}`) ?? emptyRow;
  }

  /** Lets a count use more in the window of the moment. @returns which window that is */
  grant(quotaId: string, key: string, amount: number): number {
    const rule = this.ruleOf(quotaId, key);
    if (!rule) throw new Error(`no quota ${quotaId}`);
    const row = grantExtra(rule, this.row(quotaId, key), amount, this.nowMs());
    this.rows.set(`${quotaId} ${key}`, row);
    return row.windowStartMs;
  }

  /** Forgets what was used of a quota. */
  reset(quotaId: string): void {
    for (const [count, row] of this.rows)
      if (count.startsWith(quotaId)) this.rows.set(count, { ...row, used: 0, alerted: 0 });
  }

  /** Ends the leases of those who were not heard for too long; of concurrency when their last request must be over. */
  sweep(): void {
    for (const [name, holder] of this.holders) {
      const silentMs = this.monotonicMs() - holder.heardMs - this.leaseMs - 1_000;
      if (holder.state === 'alive' && silentMs > 0) this.expire(name);
      if (holder.state === 'ended' && this.monotonicMs() - holder.endedMs >= this.leaseMs + holder.holdMs)
        this.end(name, 'freed');
    }
  }

  /** Ends the leases of a holder. */
  expire(holder: string): void {
    this.end(holder, 'ended');
  }

  private end(name: string, state: 'ended' | 'freed'): void {
    const holder = this.holders.get(name);
    if (holder) Object.assign(holder, { state, endedMs: this.monotonicMs() });
    for (const [count, row] of this.rows) {
      const [quotaId = '', key = ''] = count.split(' ');
      const rule = this.ruleOf(quotaId, key);
      if (rule && (rule.unit === 'concurrency') === (state === 'freed'))
        this.rows.set(count, endLease(rule, row, name, this.nowMs()));
    }
  }
}
