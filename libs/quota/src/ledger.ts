/**
 * The arithmetic of the ledger: what one count becomes when a gateway reports and asks. Pure; whoever calls it holds the lock on
 * the count. What is granted counts as leased until its holder reports it spent or gives it back, so used + leased never grows
 * past the limit, whatever becomes of the holder.
 */
import type { LeaseGrant, LeaseItem, QuotaUnit, QuotaWindow } from '#contracts/quotas';
import { windowAt } from './windows.js';

export interface LedgerRow {
  /** Of a bucket: when it was last refilled. */
  readonly windowStartMs: number;
  readonly used: number;
  readonly leased: number;
}

export interface LedgerRule {
  readonly unit: QuotaUnit;
  readonly window: QuotaWindow | null;
  readonly limit: number;
  readonly refillPerSecond: number | null;
  readonly timeZone: string;
}

export interface Served {
  readonly row: LedgerRow;
  /** What the gateway holds now. */
  readonly held: number;
  /** A new window began: leases of the last one are void. */
  readonly rolled: boolean;
  readonly grant: Omit<LeaseGrant, 'quota_id' | 'key'>;
}

export const emptyRow: LedgerRow = { windowStartMs: 0, used: 0, leased: 0 };

function refill(row: LedgerRow, perSecond: number, nowMs: number): LedgerRow {
  if (row.windowStartMs === 0) return { ...row, windowStartMs: nowMs };
  const elapsedMs = nowMs - row.windowStartMs;
  const drops = Math.floor((elapsedMs * perSecond) / 1_000);
  if (drops <= 0) return row;
  if (drops >= row.used) return { ...row, used: 0, windowStartMs: nowMs };
  return { ...row, used: row.used - drops, windowStartMs: row.windowStartMs + (drops * 1_000) / perSecond };
}

/** Lets time pass. A clock that was set back changes nothing: the latest window that was seen stays. */
export function advance(row: LedgerRow, rule: LedgerRule, nowMs: number): LedgerRow {
  const { window, timeZone, refillPerSecond } = rule;
  if (window === null) return row;
  if (window === 'bucket') return refill(row, refillPerSecond ?? 0, nowMs);
  const { startMs } = windowAt(window, timeZone, nowMs);
  return startMs > row.windowStartMs ? { ...emptyRow, windowStartMs: startMs } : row;
}

/** What the wire calls the window: buckets and concurrency have none. */
const tagOf = (row: LedgerRow, { window }: LedgerRule): number =>
  window === null || window === 'bucket' ? 0 : row.windowStartMs;

/** Until the window of a count ends; null when it has none. */
export function endsInMs(row: LedgerRow, { window, timeZone }: LedgerRule, nowMs: number): number | null {
  if (window === null || window === 'bucket') return null;
  return Math.max(0, windowAt(window, timeZone, row.windowStartMs).endMs - nowMs);
}

/** Those who wait get what there is; for what is yet to come, nobody gets more than half of it. */
export const share = (free: number, need: number, want: number): number =>
  Math.min(free, Math.max(need, Math.min(want, Math.ceil(free / 2))));

/**
 * Serves one item of a lease call.
 * @param held what the ledger has for this gateway; undefined when it has no lease (any more)
 */
export function serve(
  rule: LedgerRule,
  before: LedgerRow,
  held: number | undefined,
  item: Pick<LeaseItem, 'window_start' | 'held' | 'spent' | 'released' | 'need' | 'want'>,
  nowMs: number,
): Served {
  const row = advance(before, rule, nowMs);
  const tag = tagOf(row, rule);
  const rolled = tag !== tagOf(before, rule);
  const mine = rolled ? 0 : (held ?? 0);
  const isKnown = item.window_start === tag && mine > 0;
  const spent = isKnown ? Math.min(item.spent, mine) : 0;
  const released = isKnown ? Math.min(item.released, mine - spent) : 0;
  const used = row.used + (rule.unit === 'concurrency' ? 0 : spent);
  const kept = mine - spent - released;
  const leased = row.leased - spent - released;
  const free = Math.max(0, rule.limit - used - leased);
  const granted = share(free, item.need, item.want);
  return {
    row: { ...row, used, leased: leased + granted },
    held: kept + granted,
    rolled,
    grant: {
      window_start: tag,
      ends_in_ms: endsInMs(row, rule, nowMs),
      granted,
      lost: item.held > 0 && mine === 0,
      left: free - granted,
      elsewhere: leased - kept,
    },
  };
}
