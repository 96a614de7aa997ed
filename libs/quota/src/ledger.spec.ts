import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asRepeated, emptyRow, endLease, serve, share, sumOf } from './ledger.js';
import type { LedgerRow, LedgerRule, Report } from './ledger.js';
import { windowAt } from './windows.js';

const ruleOf = (over: Partial<LedgerRule>): LedgerRule => ({
  unit: 'requests',
  window: 'minute',
  limit: 10,
  refillPerSecond: null,
  timeZone: 'UTC',
  alertAt: [],
  ...over,
});
const reportOf = (over: Partial<Report>): Report => ({
  window_start: 0,
  held: 0,
  spent: 0,
  released: 0,
  need: 0,
  want: 0,
  ahead: 0,
  ...over,
});

const count = fc.integer({ min: 0, max: 300 });
const wishes = fc.record({ spent: count, released: count, need: count, want: count, ahead: count });
const kinds = fc.constantFrom<Partial<LedgerRule>>(
  { window: 'minute' },
  { window: 'day', timeZone: 'Europe/Berlin' },
  { window: 'bucket', refillPerSecond: 3.7 },
  { unit: 'concurrency', window: null },
);
const tagOf = (rule: LedgerRule, row: LedgerRow): number =>
  rule.window === 'bucket' || rule.window === null ? 0 : row.windowStartMs;

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

  it('keeps used + leased within the limit, of this window and the next, for any reports, true or false', () => {
    const step = fc.record({
      holder: fc.constantFrom('a', 'b', 'c'),
      wishes,
      says: fc.constantFrom('the truth', 'the last window', 'the next window'),
      act: fc.constantFrom('report', 'report', 'report', 'repeat', 'end'),
      afterMs: fc.integer({ min: -90_000, max: 40_000 }),
    });
    fc.assert(
      fc.property(
        kinds,
        fc.integer({ min: 0, max: 500 }),
        fc.array(step, { maxLength: 60 }),
        (kind, limit, steps) => {
          const rule = ruleOf({ ...kind, limit });
          let row = emptyRow;
          let nowMs = Date.UTC(2026, 2, 28, 22, 58);
          for (const { holder, wishes: wanted, says, act, afterMs } of steps) {
            nowMs += afterMs;
            const tag = tagOf(rule, row);
            const next = tag > 0 ? windowAt(rule.window as 'day', rule.timeZone, tag).endMs : 0;
            const window = says === 'the truth' ? tag : says === 'the last window' ? tag - 60_000 : next;
            const report = reportOf({ ...wanted, held: row.leases[holder] ?? 0, window_start: window });
            const before = row;
            if (act === 'end') row = endLease(rule, row, holder, nowMs);
            else {
              const served = serve(rule, row, holder, act === 'repeat' ? asRepeated(report) : report, nowMs);
              row = served.row;
              expect(served.grant.held).toBe(row.leases[holder] ?? 0);
              expect(served.grant.ahead).toBe(row.ahead[holder] ?? 0);
              expect(served.grant.left).toBe(limit - row.used - sumOf(row.leases));
              expect(served.grant.elsewhere).toBe(sumOf(row.leases) - served.grant.held);
            }
            expect(row.windowStartMs).toBeGreaterThanOrEqual(before.windowStartMs);
            expect(row.used + sumOf(row.leases)).toBeLessThanOrEqual(limit);
            expect(sumOf(row.ahead)).toBeLessThanOrEqual(limit);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('answers a call that is sent again with what is held, and changes nothing', () => {
    fc.assert(
      fc.property(kinds, wishes, wishes, (kind, first, second) => {
        const rule = ruleOf({ ...kind, limit: 400 });
        const nowMs = Date.UTC(2026, 5, 1);
        const begun = serve(rule, emptyRow, 'a', reportOf({ need: first.need, want: first.want }), nowMs);
        const report = reportOf({
          ...second,
          held: begun.grant.held,
          window_start: begun.grant.window_start,
          ahead: Math.min(second.ahead, 100),
        });
        const once = serve(rule, begun.row, 'a', report, nowMs);
        const twice = serve(rule, once.row, 'a', asRepeated(report), nowMs);
        expect({ ...twice.row, ahead: {} }).toEqual({ ...once.row, ahead: {} });
        expect(twice.grant.held).toBe(once.grant.held);
      }),
    );
  });

  it('hands what is held of the next window over when it begins, by the clock or by the word of its holder', () => {
    const rule = ruleOf({ limit: 100 });
    const start = Date.UTC(2026, 0, 1);
    const { row } = serve(rule, emptyRow, 'a', reportOf({ need: 10 }), start);
    const held = serve(
      rule,
      row,
      'a',
      reportOf({ window_start: start, held: 10, ahead: 60 }),
      start + 59_000,
    );
    expect(held.grant).toMatchObject({ held: 10, ahead: 50, ends_in_ms: 1_000, next_ends_in_ms: 61_000 });
    const others = serve(rule, held.row, 'b', reportOf({ need: 200 }), start + 60_000);
    expect(others.grant).toMatchObject({ window_start: start + 60_000, held: 50, elsewhere: 50, left: 0 });
    const early = reportOf({ window_start: start + 60_000, held: 50, spent: 20 });
    const told = serve(rule, held.row, 'a', early, start + 59_999);
    expect(told.row).toMatchObject({ windowStartMs: start + 60_000, used: 20, leases: { a: 30 } });
    const stranger = serve(rule, held.row, 'b', early, start + 59_999);
    expect(stranger.row.windowStartMs).toBe(start);
  });

  it('tells each share of the limit once in a window', () => {
    const rule = ruleOf({ limit: 100, alertAt: [0.5, 0.9] });
    const start = Date.UTC(2026, 0, 1);
    let { row } = serve(rule, emptyRow, 'a', reportOf({ need: 100 }), start);
    const spend = (spent: number, nowMs: number): readonly number[] => {
      const held = row.leases['a'] ?? 0;
      const served = serve(rule, row, 'a', reportOf({ window_start: start, held, spent }), nowMs);
      row = served.row;
      return served.alerts;
    };
    expect([spend(49, start), spend(1, start), spend(10, start), spend(40, start)]).toEqual([
      [],
      [0.5],
      [],
      [0.9],
    ]);
    const next = serve(rule, row, 'a', reportOf({ need: 95 }), start + 60_000);
    const report = reportOf({ window_start: start + 60_000, held: 95, spent: 95 });
    expect(serve(rule, next.row, 'a', report, start + 60_001).alerts).toEqual([0.5, 0.9]);
  });

  it('ignores a clock that was set back', () => {
    const rule = ruleOf({ window: 'day' });
    const ask = reportOf({ need: 10 });
    const noon = Date.UTC(2026, 5, 2, 12);
    const first = serve(rule, emptyRow, 'a', ask, noon);
    expect(first.grant.held).toBe(10);
    const yesterday = serve(rule, first.row, 'b', ask, noon - 86_400_000);
    expect(yesterday.grant).toMatchObject({ held: 0, window_start: first.grant.window_start });
    expect(yesterday.grant.ends_in_ms).toBe(36 * 3_600_000);
  });

  it('refills a bucket at its rate, drop by drop, and keeps what was granted extra', () => {
    const rule = ruleOf({ window: 'bucket', refillPerSecond: 4 });
    const start = Date.UTC(2026, 0, 1);
    let { row } = serve(rule, emptyRow, 'a', reportOf({ need: 10 }), start);
    ({ row } = serve(rule, row, 'a', reportOf({ held: 10, spent: 10 }), start));
    for (let ms = 100; ms <= 2_000; ms += 100)
      ({ row } = serve(rule, row, 'a', reportOf({ need: 10 }), start + ms));
    expect(row.leases['a']).toBe(8);
    const granted = serve(
      rule,
      { ...emptyRow, used: -5, windowStartMs: start },
      'a',
      reportOf({}),
      start + 9_000,
    );
    expect(granted.grant.left).toBe(15);
  });

  it('does not fill a bucket by what a full one would have gathered', () => {
    const rule = ruleOf({ window: 'bucket', refillPerSecond: 1 });
    const start = Date.UTC(2026, 0, 1);
    let { row } = serve(rule, emptyRow, 'a', reportOf({ need: 10 }), start);
    ({ row } = serve(rule, row, 'a', reportOf({ held: 10, spent: 10 }), start + 900));
    ({ row } = serve(rule, row, 'a', reportOf({ need: 10 }), start + 1_100));
    expect(row.leases).toEqual({});
  });
});
