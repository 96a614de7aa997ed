import type { QuotaStanding } from '#contracts/quotas';
import { advance, endsInMs, sumOf } from '#quota/ledger';
import type { LedgerRow } from '#quota/ledger';
import type { z } from 'zod';
import { ruleOf } from './ledger-store.js';
import type { TimedRule } from './ledger-store.js';

type Standing = Omit<z.infer<typeof QuotaStanding>, 'quota'>;

/** How a count stands by now, whose row was last written in a window that may be over. */
export function standingOf(timed: TimedRule, key: string, last: LedgerRow): Standing {
  const rule = ruleOf(timed, key);
  const now = advance(last, rule, timed.nowMs);
  const reserved = sumOf(now.leases);
  const left = Math.max(0, rule.limit - now.used - reserved);
  const inMs = endsInMs(now, rule, timed.nowMs);
  const override = timed.overrides?.[key] ?? timed.overrides?.[''];
  return {
    limit: rule.limit,
    override_until: override ? new Date(override.until).toISOString() : null,
    state: left > 0 ? 'open' : reserved > 0 ? 'reserved' : 'exhausted',
    used: now.used,
    reserved,
    left,
    resets_at: inMs === null ? null : new Date(Math.round(timed.nowMs + inMs)).toISOString(),
  };
}
