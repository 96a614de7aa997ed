import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SnapshotQuota } from '#contracts/snapshot';
import { QuotaBook } from './book.js';
import { admit, newMeter, remaining, resetS } from './counter.js';
import { rateLimit, rateLimitPolicy } from './headers.js';

const quota = (changes: Partial<SnapshotQuota> = {}): SnapshotQuota => ({
  id: 'q1',
  name: 'permin',
  client_id: null,
  endpoint: null,
  window: 'minute',
  limit: 3,
  per_client: true,
  ...changes,
});

describe('admit', () => {
  it('never admits more than the limit in a window, whatever the clock does', () => {
    const step = fc.oneof(fc.nat(90_000), fc.integer({ min: -200_000, max: 0 }));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(step, fc.constantFrom('a', 'b')), { maxLength: 200 }),
        fc.nat(5),
        fc.nat(8),
        (steps, perMinute, perDay) => {
          const meters = [
            newMeter(quota({ limit: perMinute })),
            newMeter(quota({ id: 'q2', window: 'day', limit: perDay, per_client: false })),
          ];
          const admitted = new Map<string, number>();
          let nowMs = 86_400_000 * 20_000 - 60_000;
          for (const [stepMs, client] of steps) {
            nowMs += stepMs;
            const { charges, denied } = admit(meters, client, nowMs);
            if (denied) continue;
            for (const { quota: charged, counter } of charges) {
              const key = `${charged.id} ${charged.per_client ? client : ''} ${counter.windowStartMs}`;
              const count = (admitted.get(key) ?? 0) + 1;
              if (count > charged.limit) return false;
              admitted.set(key, count);
            }
          }
          return true;
        },
      ),
    );
  });

  it('charges all quotas or none', () => {
    const wide = newMeter(quota({ id: 'wide', limit: 10 }));
    const narrow = newMeter(quota({ id: 'narrow', limit: 1 }));
    expect(admit([wide, narrow], 'a', 0).denied).toBeUndefined();
    const { denied, charges } = admit([wide, narrow], 'a', 0);
    expect(denied?.quota.id).toBe('narrow');
    expect(charges.map(remaining)).toEqual([9, 0]);
  });

  it('counts clients apart or together, as the quota says', () => {
    const apart = newMeter(quota({ limit: 1 }));
    const together = newMeter(quota({ limit: 1, per_client: false }));
    const named = newMeter(quota({ limit: 1, client_id: 'a' }));
    for (const [meter, second] of [
      [apart, undefined],
      [together, 'q1'],
      [named, 'q1'],
    ] as const) {
      expect(admit([meter], 'a', 0).denied).toBeUndefined();
      expect(admit([meter], 'b', 0).denied?.quota.id).toBe(second);
    }
  });

  it('opens again in the next window', () => {
    const meter = newMeter(quota({ limit: 1 }));
    admit([meter], 'a', 59_999);
    expect(admit([meter], 'a', 59_999).denied).toBeDefined();
    expect(admit([meter], 'a', 60_000).denied).toBeUndefined();
  });
});

describe('headers', () => {
  it('writes one structured item per quota', () => {
    const { charges } = admit(
      [newMeter(quota({ limit: 100 })), newMeter(quota({ name: 'per"day', window: 'day', limit: 5 }))],
      'a',
      30_500,
    );
    expect(rateLimitPolicy(charges)).toBe('"permin";q=100;w=60, "per\\"day";q=5;w=86400');
    expect(rateLimit(charges, 30_500)).toBe('"permin";r=99;t=30, "per\\"day";r=4;t=86370');
    expect(charges.map((charge) => resetS(charge, 59_999))[0]).toBe(1);
  });
});

describe('QuotaBook', () => {
  it('finds what applies to a client and an endpoint', () => {
    const book = new QuotaBook();
    book.replace([
      quota({ id: 'all' }),
      quota({ id: 'iris', endpoint: 'iris' }),
      quota({ id: 'a', client_id: 'a' }),
      quota({ id: 'a-iris', client_id: 'a', endpoint: 'iris' }),
    ]);
    const ids = (endpoint: string, client: string): string[] =>
      book.metersFor(endpoint, client).map((meter) => meter.id);
    expect(ids('iris', 'a')).toEqual(['all', 'iris', 'a', 'a-iris']);
    expect(ids('digits', 'a')).toEqual(['all', 'a']);
    expect(ids('digits', 'b')).toEqual(['all']);
    expect(book.metersFor('iris', 'a')).toBe(book.metersFor('iris', 'a'));
  });

  it('keeps counts when only the limit changes, and over a restart', () => {
    const book = new QuotaBook();
    book.replace([quota()]);
    admit(book.metersFor('iris', 'a'), 'a', 1_000);
    book.replace([quota({ limit: 2 })]);
    const restarted = new QuotaBook();
    restarted.replace([quota({ limit: 2 })]);
    restarted.restore(book.save(2_000), 2_000);
    const spend = (nowMs: number) => admit(restarted.metersFor('iris', 'a'), 'a', nowMs).denied?.quota.id;
    expect([spend(3_000), spend(3_000)]).toEqual([undefined, 'q1']);
    expect(book.save(60_000)).toEqual([]);
    book.replace([quota({ window: 'day' })]);
    expect(book.save(3_000)).toEqual([]);
  });

  it('drops saved counts of a wrong clock', () => {
    const book = new QuotaBook();
    book.replace([quota({ limit: 1 })]);
    book.restore([{ quota_id: 'q1', key: 'a', window_start_ms: 600_000_000, used: 1 }], 1_000);
    expect(admit(book.metersFor('iris', 'a'), 'a', 1_000).denied).toBeUndefined();
  });
});
