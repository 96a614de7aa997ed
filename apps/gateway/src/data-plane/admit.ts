/** Spends quota: every quota that applies admits the request, or it is refused and none is charged. */
import type { QuotaBook } from '#quota/book';
import { noCosts, oneRequest } from '#quota/cell';
import type { Cell, Costs } from '#quota/cell';
import { rateLimit, rateLimitHeader, rateLimitPolicy, rateLimitPolicyHeader, resetS } from '#quota/headers';
import { settleAll } from '#quota/lease-desk';
import type { Denial, LeaseDesk } from '#quota/lease-desk';
import type { Identity } from './authenticate.js';
import { sizeOf } from './body.js';
import { announcedLength } from './caller.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import { timeoutMsOf } from './node-request.js';

const units = {
  requests: 'requests',
  bytes: 'bytes',
  compute_ms: 'ms of compute',
  concurrency: 'requests at a time',
} as const;

function refusalOf({ cell, amount, reason }: Denial, nowMs: number): Refusal {
  const { used, reserved } = cell;
  const { name, limit, unit, window } = cell.quota;
  if (reason === 'unavailable')
    return refusal(
      'QUOTA_UNAVAILABLE',
      `What is left of quota "${name}" is not known: the registry does not answer. Try again.`,
    );
  const seconds = resetS(cell, nowMs);
  const what = window === null ? units[unit] : `${units[unit]} per ${window}`;
  const why =
    amount > limit
      ? `and this request may need ${amount}. Send a smaller one or a shorter deadline.`
      : `and is used up: ${used} used, ${reserved} reserved. Try again in ${seconds} s.`;
  return refusal('QUOTA_EXCEEDED', `Quota "${name}" allows ${limit} ${what} ${why}`, [
    'retry-after',
    String(seconds),
  ]);
}

interface Desk {
  readonly quotas: QuotaBook;
  readonly leases: LeaseDesk;
  readonly settings: { readonly maxBodyBytes: number; readonly maxTimeoutMs: number };
}

const isMeasured = ({ quota: { unit } }: Cell): boolean => unit === 'bytes' || unit === 'compute_ms';

/** The most that the request can cost: its body is not there yet, and it may last until its deadline. */
function mostOf(
  { req, version, endpoint }: Exchange,
  cells: readonly Cell[],
  settings: Desk['settings'],
): Costs {
  if (!version || !cells.some(isMeasured)) return oneRequest;
  return {
    ...oneRequest,
    bytes: announcedLength(req) ?? endpoint?.limits.maxBodyBytes ?? settings.maxBodyBytes,
    compute_ms: timeoutMsOf(req, version, settings.maxTimeoutMs),
  };
}

/** What the request really cost. */
export function costsOf({ reserved, body, sentMs, answeredMs }: Exchange, endedMs: number): Costs {
  if (reserved === oneRequest) return oneRequest;
  const nodeMs = (answeredMs > 0 ? answeredMs : endedMs) - sentMs;
  return { ...oneRequest, bytes: sizeOf(body), compute_ms: Math.max(1, Math.ceil(nodeMs)) };
}

/** Answers at once when the gateway holds enough or knows that there is no more, else when the registry has answered. */
export function admit(
  exchange: Exchange,
  { quotas, leases, settings }: Desk,
  { client, team }: Identity,
): Refusal | undefined | Promise<Refusal | undefined> {
  const cells = quotas.cellsFor(exchange.route.endpoint, client, team);
  if (cells.length === 0) return undefined;
  exchange.quotaCells = cells;
  const nowMs = performance.now();
  exchange.reserved = mostOf(exchange, cells, settings);
  const verdict = leases.admit(cells, exchange.reserved, nowMs);
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
  if (exchange.res.destroyed) settle(exchange, noCosts);
  return undefined;
}

/** Ends the charge with what the request really cost. */
export function settle(exchange: Exchange, actual: Costs): void {
  if (exchange.chargedAtMs === 0) return;
  settleAll(exchange.quotaCells, exchange.reserved, actual, exchange.chargedAtMs);
  exchange.chargedAtMs = 0;
}

/** Adds the RateLimit fields of the quotas that apply. */
export function pushRateLimit(fields: string[], { quotaCells }: Exchange): void {
  if (quotaCells.length === 0) return;
  const policy = rateLimitPolicy(quotaCells);
  if (policy === '') return;
  fields.push(rateLimitPolicyHeader, policy, rateLimitHeader, rateLimit(quotaCells, performance.now()));
}
