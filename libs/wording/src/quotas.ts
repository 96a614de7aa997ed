/** Says in words what a quota limits, of whom, and what holds without the registry. Pure. */
import type { Quota } from '#contracts/quotas';
import { bytesText, numberText, spanText } from './text.js';

const isOne = (amount: number): boolean => amount === 1;

/** An amount in the unit of the quota: `600 requests`, `1.5 MiB`, `10 h of compute`. */
export function amountText(unit: Quota['unit'], amount: number): string {
  switch (unit) {
    case 'requests':
      return `${numberText(amount)} ${isOne(amount) ? 'request' : 'requests'}`;
    case 'rows':
      return `${numberText(amount)} ${isOne(amount) ? 'row' : 'rows'}`;
    case 'bytes':
      return bytesText(amount);
    case 'compute_ms':
      return `${amount < 1_000 ? `${numberText(amount)} ms` : spanText(amount)} of compute`;
    case 'concurrency':
      return `${numberText(amount)} at a time`;
  }
}

/** What was used, beside the limit: a count needs no unit of its own there. An extra grant makes it less than nothing. */
export function usedText(unit: Quota['unit'], used: number): string {
  const amount = Math.max(0, used);
  return unit === 'bytes' || unit === 'compute_ms'
    ? amountText(unit, amount).replace(' of compute', '')
    : numberText(amount);
}

/** `600 requests a minute`. */
export function limitText(
  quota: Pick<Quota, 'unit' | 'window' | 'refill_per_second'>,
  limit: number,
): string {
  const amount = amountText(quota.unit, limit);
  switch (quota.window) {
    case null:
      return amount;
    case 'bucket':
      return `${amount}, refilled by ${numberText(quota.refill_per_second ?? 0)} a second`;
    case 'hour':
      return `${amount} an hour`;
    case 'second':
    case 'minute':
    case 'day':
    case 'month':
      return `${amount} a ${quota.window}`;
  }
}

/** `each client of team search, on iris`. */
export function subjectText(quota: Pick<Quota, 'team' | 'client_id' | 'per_client' | 'endpoint'>): string {
  const where = quota.endpoint === null ? 'all endpoints' : quota.endpoint;
  return `${whoText(quota)}, on ${where}`;
}

function whoText({ team, client_id, per_client }: Pick<Quota, 'team' | 'client_id' | 'per_client'>): string {
  if (client_id !== null) return `client ${client_id}`;
  if (team !== null) return per_client ? `each client of team ${team}` : `team ${team} as a whole`;
  return per_client ? 'each client' : 'everybody together';
}

/** What the outage policy does, as a sentence. */
export function outageText(outage: Quota['outage']): string {
  switch (outage) {
    case 'deny':
      return 'Without the registry, gateways spend what they hold, then refuse.';
    case 'local_share':
      return 'Without the registry, gateways spend what they hold, then admit the limit divided by the number of gateways each.';
    case 'open':
      return 'Without the registry, gateways spend what they hold, then admit everybody.';
  }
}

/** What happens at a gateway that cannot reach the registry now. */
export function inOutageText(outage: Quota['outage']): string {
  switch (outage) {
    case 'deny':
      return 'spends what it holds, then refuses';
    case 'local_share':
      return 'spends what it holds, then admits its share of the limit';
    case 'open':
      return 'admits everybody and counts nothing against the limit';
  }
}

export const outageNames = { deny: 'deny', local_share: 'local share', open: 'open' } as const;
