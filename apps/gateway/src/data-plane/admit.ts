/** Spends quota: every quota that applies admits the request, or it is refused and none is charged. */
import { sluiceHeaders } from '#contracts/oip';
import type { QuotaBook } from '#quota/book';
import type { Cell } from '#quota/cell';
import { noCosts, oneRequest } from '#quota/costs';
import type { Costs } from '#quota/costs';
import {
  outagePolicies,
  quotaExceededType,
  rateLimit,
  rateLimitHeader,
  rateLimitPolicy,
  rateLimitPolicyHeader,
  resetS,
  violated,
} from '#quota/headers';
import { isDenial, settleAll } from '#quota/lease-desk';
import type { Admission, Denial, LeaseDesk } from '#quota/lease-desk';
import type { Identity } from './authenticate.js';
import { sizeOf } from './body.js';
import { announcedLength } from './caller.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import { timeoutMsOf } from './node-request.js';

const units = {
  requests: 'requests',
  rows: 'rows',
  bytes: 'bytes',
  compute_ms: 'ms of compute',
  concurrency: 'requests at a time',
} as const;

/** In numbers and in words, with the fields of the draft's problem type. */
function refusalOf({ cell, amount, reason }: Denial, nowMs: number): Refusal {
  const { limit } = cell;
  const { name, unit, window } = cell.quota;
  if (reason === 'unavailable')
    return refusal(
      'QUOTA_UNAVAILABLE',
      `What is left of quota "${name}" is not known: the registry does not answer. Try again.`,
    );
  const [used, reserved] = [Math.ceil(cell.used), Math.ceil(cell.reserved)];
  const seconds = resetS(cell, nowMs);
  const what = window === null ? units[unit] : `${units[unit]} per ${window}`;
  const why =
    amount > limit
      ? `and this request may need ${amount}. Send a smaller one or a shorter deadline.`
      : `and is used up: ${used} used, ${reserved} reserved. Try again in ${seconds} s.`;
  return {
    ...refusal('QUOTA_EXCEEDED', `Quota "${name}" allows ${limit} ${what} ${why}`, [
      'retry-after',
      String(seconds),
      sluiceHeaders.quota,
      violated(cell, amount, nowMs),
    ]),
    problem: {
      type: quotaExceededType,
      'violated-policies': [name],
      quota: { name, unit, window, limit, used, reserved, needed: amount, reset_s: seconds },
    },
  };
}

interface Desk {
  readonly quotas: QuotaBook;
  readonly leases: LeaseDesk;
  readonly settings: { readonly maxBodyBytes: number; readonly maxTimeoutMs: number };
}

const isMeasured = ({ quota: { unit } }: Cell): boolean =>
  unit === 'rows' || unit === 'bytes' || unit === 'compute_ms';

/** Deflate packs at most 1,032 bytes into one. */
const maxInflation = 1_032;
/** Of an example of `:classify` and `:regress`, whose features may all stand in the common context: `{},`. */
const leastExampleBytes = 3;

/** The most rows that a body of this size has room for. */
function mostRows({ req, route }: Exchange, rowBytes: number | null, bytes: number): number {
  if (rowBytes === null) return 1;
  const hasExamples = route.operation === 'classify' || route.operation === 'regress';
  const room = req.headers['content-encoding'] === undefined ? bytes : bytes * maxInflation;
  return Math.max(1, Math.floor(room / (hasExamples ? Math.min(rowBytes, leastExampleBytes) : rowBytes)));
}

/** The most that the request can cost: its body is not there yet, and it may last until its deadline. */
function mostOf(exchange: Exchange, cells: readonly Cell[], settings: Desk['settings']): Costs {
  const { req, version, endpoint } = exchange;
  if (!version || !cells.some(isMeasured)) return oneRequest;
  const bytes = announcedLength(req) ?? endpoint?.limits.maxBodyBytes ?? settings.maxBodyBytes;
  return {
    ...oneRequest,
    rows: mostRows(exchange, version.rowBytes, bytes),
    bytes,
    compute_ms: timeoutMsOf(req, version, settings.maxTimeoutMs),
  };
}

/** What the request really cost: what its node measured, or, when it never said, what it may have done. */
export function costsOf(exchange: Exchange, endedMs: number): Costs {
  const { reserved, body, sentMs, answeredMs, rows, ownComputeUs, outcome } = exchange;
  if (reserved === oneRequest) return oneRequest;
  const isAnswered = answeredMs > 0;
  return {
    ...oneRequest,
    rows: rows >= 0 ? rows : isAnswered && outcome !== 'OK' ? 0 : reserved.rows,
    bytes: sizeOf(body),
    compute_ms: ownComputeUs >= 0 ? ownComputeUs / 1_000 : (isAnswered ? answeredMs : endedMs) - sentMs,
  };
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
  const admission = leases.admit(cells, exchange.reserved, nowMs);
  if (!(admission instanceof Promise)) return charge(exchange, admission, nowMs);
  return admission.then((late) => {
    const refused = charge(exchange, late, performance.now());
    // The caller left while it waited: its end was accounted for before there was a charge.
    if (exchange.res.destroyed) settle(exchange, noCosts);
    return refused;
  });
}

function charge(exchange: Exchange, admission: Admission, nowMs: number): Refusal | undefined {
  if (isDenial(admission)) return refusalOf(admission, nowMs);
  exchange.chargedCells = admission;
  exchange.chargedAtMs = nowMs;
  return undefined;
}

/** Ends the charge with what the request really cost. */
export function settle(exchange: Exchange, actual: Costs): void {
  if (exchange.chargedAtMs === 0) return;
  settleAll(exchange.chargedCells, exchange.reserved, actual, exchange.chargedAtMs);
  exchange.chargedAtMs = 0;
}

/** Adds the RateLimit fields of the quotas that apply and, while the ledger cannot be reached, what holds in its place. */
export function pushRateLimit(
  fields: string[],
  { quotaCells }: Exchange,
  { unreachable }: Pick<LeaseDesk, 'unreachable'>,
): void {
  if (quotaCells.length === 0) return;
  const policy = rateLimitPolicy(quotaCells);
  if (policy === '') return;
  fields.push(rateLimitPolicyHeader, policy, rateLimitHeader, rateLimit(quotaCells, performance.now()));
  if (unreachable) fields.push(sluiceHeaders.quotaOutage, outagePolicies(quotaCells));
}
