/** Spends quota: every quota that applies admits the request, or it is refused and none is charged. */
import type { QuotaBook } from '#quota/book';
import { admit as admitAll, resetS } from '#quota/counter';
import { rateLimit, rateLimitHeader, rateLimitPolicy, rateLimitPolicyHeader } from '#quota/headers';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { Exchange } from './exchange.js';

export function admit(
  exchange: Exchange,
  quotas: QuotaBook,
  client: string,
  nowMs: number,
): Refusal | undefined {
  const admission = admitAll(quotas.metersFor(exchange.route.endpoint, client), client, nowMs);
  exchange.charges = admission.charges;
  const { denied } = admission;
  if (!denied) return undefined;
  const seconds = resetS(denied, nowMs);
  const { name, limit, window } = denied.quota;
  return refusal(
    'QUOTA_EXCEEDED',
    `Quota "${name}" allows ${limit} requests per ${window} and is used up. Try again in ${seconds} s.`,
    ['retry-after', String(seconds)],
  );
}

/** Adds the RateLimit fields of what was charged. */
export function pushRateLimit(fields: string[], exchange: Exchange, nowMs: number): void {
  if (exchange.charges.length === 0) return;
  fields.push(
    rateLimitPolicyHeader,
    rateLimitPolicy(exchange.charges),
    rateLimitHeader,
    rateLimit(exchange.charges, nowMs),
  );
}
