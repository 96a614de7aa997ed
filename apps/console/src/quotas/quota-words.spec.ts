import { describe, expect, it } from 'vitest';
import type { Quota, QuotaCount } from '#contracts/quotas';
import { SluiceClientError } from '#client/client';
import { outageOf } from './quota-outage.js';
import { limitText, subjectText, usedText } from './quota-words.js';

const quota: Quota = {
  id: '0198f3a0-7c1e-7000-8000-5347b1d0c3e9',
  name: 'q',
  team: null,
  client_id: null,
  endpoint: null,
  unit: 'requests',
  window: 'minute',
  limit: 600,
  refill_per_second: null,
  per_client: true,
  mode: 'enforce',
  outage: 'deny',
  alert_at: [],
  revision: 1,
  created_at: '2026-01-01T00:00:00Z',
  updated_at: '2026-01-01T00:00:00Z',
};

it.each<[Partial<Quota>, string, string]>([
  [{}, '600 requests a minute', 'each client, on all endpoints'],
  [{ limit: 1, window: 'hour' }, '1 request an hour', 'each client, on all endpoints'],
  [
    { unit: 'bytes', limit: 1_048_576, window: 'day', client_id: 'shop', endpoint: 'iris' },
    '1 MiB a day',
    'client shop, on iris',
  ],
  [
    { unit: 'compute_ms', limit: 36_000_000, window: 'month', team: 'search', per_client: false },
    '10 h of compute a month',
    'team search as a whole, on all endpoints',
  ],
  [
    { unit: 'rows', window: 'bucket', refill_per_second: 2.5, team: 'search' },
    '600 rows, refilled by 2.5 a second',
    'each client of team search, on all endpoints',
  ],
  [
    { unit: 'concurrency', window: null, per_client: false },
    '600 at a time',
    'everybody together, on all endpoints',
  ],
])('%j is said in words', (over, limit, subject) => {
  const one = { ...quota, ...over };
  expect(limitText(one, one.limit)).toBe(limit);
  expect(subjectText(one)).toBe(subject);
});

it('what was used is never less than nothing', () => {
  expect(usedText('requests', -5)).toBe('0');
  expect(usedText('compute_ms', 90_000)).toBe('1 min 30 s');
});

describe('an outage policy', () => {
  const lease = { gateway: 'gateway:1', held: 5, expires_at: '2026-01-01T00:00:30Z', overdue: false };
  const count: QuotaCount = {
    client_id: null,
    state: 'open',
    limit: 600,
    override_until: null,
    used: 0,
    reserved: 5,
    left: 595,
    resets_at: null,
    leases: [lease],
  };
  const refusal = (status: number, code: 'REGISTRY_UNAVAILABLE' | 'FORBIDDEN') =>
    new SluiceClientError(status, code, 'no');

  it('is in force here when the gateway cannot reach the registry, elsewhere when a lease is overdue', () => {
    expect(outageOf([count], null)).toEqual({ kind: 'none' });
    expect(outageOf([count], refusal(503, 'REGISTRY_UNAVAILABLE'))).toEqual({ kind: 'here' });
    const overdue = { ...count, leases: [lease, { ...lease, gateway: 'gateway:2', overdue: true }] };
    expect(outageOf([overdue, overdue], null)).toEqual({ kind: 'elsewhere', gateways: ['gateway:2'] });
  });

  it('is in force who knows where when the registry could not be asked', () => {
    expect(outageOf([count], refusal(403, 'FORBIDDEN'))).toEqual({ kind: 'unknown' });
    expect(outageOf(undefined, null)).toEqual({ kind: 'unknown' });
  });
});
