/**
 * The arithmetic of the ledger: what one count becomes when a gateway reports and asks. Pure; whoever calls it holds the lock on
 * the count. What is granted counts as leased until its holder reports it spent or gives it back, so used + leased never grows
 * past the limit, whatever becomes of the holder.
 */
import type { LeaseGrant, LeaseItem, QuotaUnit, QuotaWindow } from '#contracts/quotas';
import { windowAt } from './windows.js';

/** What each holder has. */
export type Blocks = Readonly<Record<string, number>>;

export interface LedgerRow {
  /** Of a bucket: when it was last refilled. */
  readonly windowStartMs: number;
  readonly used: number;
  readonly leases: Blocks;
  /** Of the window after this one. */
  readonly ahead: Blocks;
  /** The greatest share of the limit that was told in this window. */
  readonly alerted: number;
}

export interface LedgerRule {
  readonly unit: QuotaUnit;
  readonly window: QuotaWindow | null;
  readonly limit: number;
  readonly refillPerSecond: number | null;
  readonly timeZone: string;
  readonly alertAt: readonly number[];
}

export type Report = Omit<LeaseItem, 'quota_id' | 'key'>;

export interface Served {
  readonly row: LedgerRow;
  /** Shares of the limit that were reached by this report, for the first time in the window. */
  readonly alerts: readonly number[];
  readonly grant: Omit<LeaseGrant, 'quota_id' | 'key'>;
}

export const emptyRow: LedgerRow = { windowStartMs: 0, used: 0, leases: {}, ahead: {}, alerted: 0 };

export function sumOf(blocks: Blocks): number {
  let sum = 0;
  for (const holder in blocks) sum += blocks[holder] ?? 0;
  return sum;
}

const withBlock = (blocks: Blocks, holder: string, amount: number): Blocks => {
  if (amount === (blocks[holder] ?? 0)) return blocks;
  const { [holder]: _, ...others } = blocks;
  return amount > 0 ? { ...others, [holder]: amount } : others;
};

function refill(row: LedgerRow, perSecond: number, nowMs: number): LedgerRow {
  if (row.windowStartMs === 0) return { ...row, windowStartMs: nowMs };
  // A full bucket gathers nothing, not even a part of a drop.
  if (row.used <= 0) return { ...row, windowStartMs: Math.max(row.windowStartMs, nowMs) };
  const elapsedMs = nowMs - row.windowStartMs;
  const drops = Math.floor((elapsedMs * perSecond) / 1_000);
  if (drops <= 0) return row;
  if (drops >= row.used) return { ...row, used: 0, windowStartMs: nowMs };
  return { ...row, used: row.used - drops, windowStartMs: row.windowStartMs + (drops * 1_000) / perSecond };
}

type Calendar = Pick<LedgerRule, 'window' | 'timeZone'>;

/** Where the window that began at `startMs` ends; null without windows. */
function endOf({ window, timeZone }: Calendar, startMs: number): number | null {
  return window === null || window === 'bucket' ? null : windowAt(window, timeZone, startMs).endMs;
}

/** Lets time pass. A clock that was set back changes nothing: the latest window that was seen stays. */
export function advance(row: LedgerRow, rule: LedgerRule, nowMs: number): LedgerRow {
  const { window, timeZone, refillPerSecond } = rule;
  if (window === null) return row;
  if (window === 'bucket') return refill(row, refillPerSecond ?? 0, nowMs);
  const { startMs } = windowAt(window, timeZone, nowMs);
  if (startMs <= row.windowStartMs) return row;
  const isNext = row.windowStartMs > 0 && endOf(rule, row.windowStartMs) === startMs;
  return { ...emptyRow, windowStartMs: startMs, leases: isNext ? row.ahead : {} };
}

/** The next window has begun at the latest when a gateway that holds a block of it says so. */
function follow(row: LedgerRow, rule: LedgerRule, holder: string, startMs: number): LedgerRow {
  if (startMs <= row.windowStartMs || row.ahead[holder] === undefined) return row;
  return endOf(rule, row.windowStartMs) === startMs ? advance(row, rule, startMs) : row;
}

/** What the wire calls the window: buckets and concurrency have none. */
const tagOf = (row: LedgerRow, { window }: LedgerRule): number =>
  window === null || window === 'bucket' ? 0 : row.windowStartMs;

/** Until the window of a count ends; null when it has none. */
export function endsInMs(row: LedgerRow, rule: LedgerRule, nowMs: number): number | null {
  const endMs = endOf(rule, row.windowStartMs);
  return endMs === null ? null : Math.max(0, endMs - nowMs);
}

/** Those who wait get what there is; for what is yet to come, nobody gets more than half of it. */
export const share = (free: number, need: number, want: number): number =>
  Math.min(free, Math.max(need, Math.min(want, Math.ceil(free / 2))));

/** What the holder gets of the next window: as much as it wants, but at most half of what is left. */
function shareAhead(row: LedgerRow, rule: LedgerRule, holder: string, wanted: number): number {
  const mine = row.ahead[holder] ?? 0;
  const free = Math.max(0, rule.limit - sumOf(row.ahead));
  return wanted <= mine ? wanted : mine + share(free, 0, wanted - mine);
}

const reached = ({ alertAt, limit }: LedgerRule, used: number, alerted: number): number[] =>
  used > 0 ? alertAt.filter((part) => part > alerted && used >= part * limit) : [];

const endsOf = (rule: LedgerRule, endMs: number | null, nowMs: number) =>
  endMs === null
    ? { window_end: null, ends_in_ms: null, next_ends_in_ms: null }
    : {
        window_end: endMs,
        ends_in_ms: Math.max(0, endMs - nowMs),
        next_ends_in_ms: Math.max(0, (endOf(rule, endMs) ?? 0) - nowMs),
      };

/** Serves one item of a lease call. What the ledger knows of the holder decides, not what the holder believes. */
export function serve(
  rule: LedgerRule,
  before: LedgerRow,
  holder: string,
  item: Report,
  nowMs: number,
): Served {
  const row = follow(advance(before, rule, nowMs), rule, holder, item.window_start);
  const tag = tagOf(row, rule);
  const mine = row.leases[holder] ?? 0;
  const isKnown = item.window_start === tag;
  const spent = isKnown ? Math.min(item.spent, mine) : 0;
  const released = isKnown ? Math.min(item.released, mine - spent) : 0;
  const used = row.used + (rule.unit === 'concurrency' ? 0 : spent);
  const elsewhere = sumOf(row.leases) - mine;
  const kept = mine - spent - released;
  const free = Math.max(0, rule.limit - used - elsewhere - kept);
  const granted = share(free, item.need, item.want);
  const alerts = reached(rule, used, row.alerted);
  const endMs = endOf(rule, row.windowStartMs);
  const isAsked = isKnown && endMs !== null;
  const ahead = isAsked ? shareAhead(row, rule, holder, item.ahead) : (row.ahead[holder] ?? 0);
  const alerted = Math.max(row.alerted, ...alerts);
  return {
    row: {
      ...row,
      used,
      leases: withBlock(row.leases, holder, kept + granted),
      ahead: withBlock(row.ahead, holder, ahead),
      alerted,
    },
    alerts,
    grant: {
      window_start: tag,
      ...endsOf(rule, endMs, nowMs),
      limit: rule.limit,
      held: kept + granted,
      ahead,
      alerted,
      lost: mine === 0,
      left: free - granted,
      elsewhere,
    },
  };
}

/** Lets a count use more in the window of the moment: what is used may be less than nothing. */
export function grantExtra(rule: LedgerRule, before: LedgerRow, amount: number, nowMs: number): LedgerRow {
  const row = advance(before, rule, nowMs);
  return { ...row, used: row.used - amount };
}

/** A call that was served already: it changes nothing and asks for nothing, but is told what is held. */
export const asRepeated = (item: Report): Report => ({ ...item, spent: 0, released: 0, need: 0, want: 0 });

/**
 * Ends what a holder has that was not heard for too long. It may have spent it, so it counts as used; only concurrency is free
 * again. What it has of the next window stays until that window is over.
 */
export function endLease(rule: LedgerRule, before: LedgerRow, holder: string, nowMs: number): LedgerRow {
  const row = advance(before, rule, nowMs);
  const mine = row.leases[holder] ?? 0;
  return {
    ...row,
    used: row.used + (rule.unit === 'concurrency' ? 0 : mine),
    leases: withBlock(row.leases, holder, 0),
  };
}
