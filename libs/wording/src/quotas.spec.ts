import { expect, it } from 'vitest';
import type { Quota } from '#contracts/quotas';
import { limitText, subjectText, usedText } from './quotas.js';

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
