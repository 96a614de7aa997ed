import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyRow, serve, share } from './ledger.js';
import type { LedgerRule } from './ledger.js';

const count = fc.integer({ min: 0, max: 300 });
const item = fc.record({ spent: count, released: count, need: count, want: count });

describe('the arithmetic of leases', () => {
  it('never hands out more than there is, and always something while there is', () => {
    fc.assert(
      fc.property(count, count, count, (free, need, want) => {
        const granted = share(free, need, want);
        expect(granted).toBeLessThanOrEqual(free);
        expect(granted).toBeGreaterThanOrEqual(Math.min(free, need));
        if (free > 0 && need + want > 0) expect(granted).toBeGreaterThan(0);
      }),
    );
  });

  it('keeps used + leased within the limit for any reports, true or false', () => {
    const step = fc.record({ holder: fc.nat(3), item, lies: fc.boolean(), afterMs: fc.nat(40_000) });
    const kinds = fc.constantFrom<Pick<LedgerRule, 'unit' | 'window' | 'refillPerSecond'>>(
      { unit: 'requests', window: 'minute', refillPerSecond: null },
      { unit: 'requests', window: 'bucket', refillPerSecond: 3.7 },
      { unit: 'concurrency', window: null, refillPerSecond: null },
    );
    fc.assert(
      fc.property(
        kinds,
        fc.integer({ min: 0, max: 500 }),
        fc.array(step, { maxLength: 60 }),
        (kind, limit, steps) => {
          const rule: LedgerRule = { ...kind, limit, timeZone: 'UTC' };
          let row = emptyRow;
          let nowMs = Date.UTC(2026, 0, 1);
          const held = new Map<number, number>();
          for (const { holder, item: wishes, lies, afterMs } of steps) {
            nowMs += afterMs;
            const mine = held.get(holder);
            const window = lies
              ? row.windowStartMs - 60_000
              : rule.window === 'minute'
                ? row.windowStartMs
                : 0;
            const served = serve(
              rule,
              row,
              mine,
              { ...wishes, held: mine ?? 0, window_start: window },
              nowMs,
            );
            if (served.rolled) held.clear();
            held.set(holder, served.held);
            row = served.row;
            expect(row.leased).toBe([...held.values()].reduce((sum, amount) => sum + amount, 0));
            expect(row.used + row.leased).toBeLessThanOrEqual(limit);
            expect(served.grant.left).toBe(limit - row.used - row.leased);
          }
        },
      ),
    );
  });

  it('ignores a clock that was set back', () => {
    const rule: LedgerRule = {
      unit: 'requests',
      window: 'day',
      limit: 10,
      refillPerSecond: null,
      timeZone: 'UTC',
    };
    const ask = { window_start: 0, held: 0, spent: 0, released: 0, need: 10, want: 0 };
    const noon = Date.UTC(2026, 5, 2, 12);
    const first = serve(rule, emptyRow, undefined, ask, noon);
    expect(first.grant.granted).toBe(10);
    const yesterday = serve(rule, first.row, undefined, ask, noon - 86_400_000);
    expect(yesterday.grant).toMatchObject({ granted: 0, window_start: first.grant.window_start });
    expect(yesterday.grant.ends_in_ms).toBe(36 * 3_600_000);
  });

  it('refills a bucket at its rate, drop by drop', () => {
    const rule: LedgerRule = {
      unit: 'requests',
      window: 'bucket',
      limit: 10,
      refillPerSecond: 4,
      timeZone: 'UTC',
    };
    const start = Date.UTC(2026, 0, 1);
    const all = { window_start: 0, held: 0, spent: 0, released: 0, need: 10, want: 0 };
    let served = serve(rule, emptyRow, undefined, all, start);
    const spend = { window_start: 0, held: 10, spent: 10, released: 0, need: 0, want: 0 };
    served = serve(rule, served.row, served.held, spend, start);
    let refilled = 0;
    for (let ms = 100; ms <= 2_000; ms += 100) {
      served = serve(rule, served.row, served.held, { ...all, held: served.held }, start + ms);
      refilled += served.grant.granted;
    }
    expect(refilled).toBe(8);
  });
});
