/** Spends quota: every quota that applies admits the request, or it is refused and none is charged. */
import type { QuotaBook } from '#quota/book';
import { oneRequest } from '#quota/cell';
import type { Costs } from '#quota/cell';
import { rateLimit, rateLimitHeader, rateLimitPolicy, rateLimitPolicyHeader, resetS } from '#quota/headers';
import { settleAll } from '#quota/lease-desk';
import type { Denial, LeaseDesk } from '#quota/lease-desk';
import type { Identity } from './authenticate.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { Exchange } from './exchange.js';

const nothing: Costs = { requests: 0, concurrency: 0 };

function refusalOf({ cell, reason }: Denial, nowMs: number): Refusal {
  const { used, reserved } = cell;
  const { name, limit, unit, window } = cell.quota;
  if (reason === 'unavailable')
    return refusal(
      'QUOTA_UNAVAILABLE',
      `What is left of quota "${name}" is not known: the registry does not answer. Try again.`,
    );
  const seconds = resetS(cell, nowMs);
  const what = unit === 'concurrency' ? 'requests at a time' : `requests per ${window}`;
  return refusal(
    'QUOTA_EXCEEDED',
    `Quota "${name}" allows ${limit} ${what} and is used up: ${used} used, ${reserved} reserved. Try again in ${seconds} s.`,
    ['retry-after', String(seconds)],
  );
}

/** Answers at once when the gateway holds enough or knows that there is no more, else when the registry has answered. */
export function admit(
  exchange: Exchange,
  { quotas, leases }: { readonly quotas: QuotaBook; readonly leases: LeaseDesk },
  { client, team }: Identity,
): Refusal | undefined | Promise<Refusal | undefined> {
  const cells = quotas.cellsFor(exchange.route.endpoint, client, team);
  if (cells.length === 0) return undefined;
  exchange.quotaCells = cells;
  const nowMs = performance.now();
  const verdict = leases.admit(cells, oneRequest, nowMs);
  if (verdict instanceof Promise) return verdict.then((denial) => conclude(exchange, denial));
  if (verdict) return refusalOf(verdict, nowMs);
  exchange.chargedAtMs = nowMs;
  return undefined;
}

function conclude(exchange: Exchange, denial: Denial | undefined): Refusal | undefined {
  const nowMs = performance.now();
  if (denial) return refusalOf(denial, nowMs);
  exchange.chargedAtMs = nowMs;
  // The caller left while it waited: its end was accounted for before there was a charge.
  if (exchange.res.destroyed) settle(exchange, true);
  return undefined;
}

/** Ends the charge. `isFree`: nothing of it was used. */
export function settle(exchange: Exchange, isFree: boolean): void {
  if (exchange.chargedAtMs === 0) return;
  settleAll(exchange.quotaCells, oneRequest, isFree ? nothing : oneRequest, exchange.chargedAtMs);
  exchange.chargedAtMs = 0;
}

/** Adds the RateLimit fields of the quotas that apply. */
export function pushRateLimit(fields: string[], { quotaCells }: Exchange): void {
  if (quotaCells.length === 0) return;
  const policy = rateLimitPolicy(quotaCells);
  if (policy === '') return;
  fields.push(rateLimitPolicyHeader, policy, rateLimitHeader, rateLimit(quotaCells, performance.now()));
}
