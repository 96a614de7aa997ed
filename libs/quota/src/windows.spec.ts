import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wallMs, windowAt } from './windows.js';
import type { CalendarWindow } from './windows.js';

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Africa/Cairo',
  'America/Havana',
  'Asia/Beirut',
  'America/Sao_Paulo',
];
const zone = fc.constantFrom(...zones);
const moment = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2038, 0, 1) });
const calendar = fc.constantFrom<CalendarWindow>('second', 'minute', 'hour', 'day', 'month');
const iso = (atMs: number): string => new Date(atMs).toISOString();
const span = (window: CalendarWindow, timeZone: string, at: string): string[] => {
  const { startMs, endMs } = windowAt(window, timeZone, Date.parse(at));
  return [iso(startMs), iso(endMs)];
};

describe('windows', () => {
  it('hold their moment, and every moment of them has the same window', () => {
    fc.assert(
      fc.property(
        calendar,
        zone,
        moment,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (window, tz, at, share) => {
          const found = windowAt(window, tz, at);
          expect(found.startMs <= at && at < found.endMs).toBe(true);
          const within = Math.floor(found.startMs + share * (found.endMs - 1 - found.startMs));
          expect(windowAt(window, tz, within)).toEqual(found);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('follow each other without gap or overlap', () => {
    fc.assert(
      fc.property(calendar, zone, moment, (window, tz, at) => {
        const { startMs, endMs } = windowAt(window, tz, at);
        expect(windowAt(window, tz, endMs).startMs).toBe(endMs);
        expect(windowAt(window, tz, startMs - 1).endMs).toBe(startMs);
      }),
      { numRuns: 500 },
    );
  });

  it('begin when clocks show midnight, or jump past it', () => {
    fc.assert(
      fc.property(fc.constantFrom('day' as const, 'month' as const), zone, moment, (window, tz, at) => {
        const { startMs } = windowAt(window, tz, at);
        const midnight = Math.floor(wallMs(tz, startMs) / 86_400_000) * 86_400_000;
        expect(wallMs(tz, startMs - 1)).toBeLessThan(midnight);
      }),
      { numRuns: 500 },
    );
  });

  it('know long and short days, month ends and leap days', () => {
    const berlin = 'Europe/Berlin';
    expect(span('day', berlin, '2026-03-29T12:00:00Z')).toEqual([
      '2026-03-28T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
    ]);
    expect(span('day', berlin, '2026-10-25T12:00:00Z')).toEqual([
      '2026-10-24T22:00:00.000Z',
      '2026-10-25T23:00:00.000Z',
    ]);
    expect(span('month', berlin, '2026-03-31T22:30:00Z')).toEqual([
      '2026-03-31T22:00:00.000Z',
      '2026-04-30T22:00:00.000Z',
    ]);
    expect(span('month', 'UTC', '2028-02-29T23:59:59.999Z')).toEqual([
      '2028-02-01T00:00:00.000Z',
      '2028-03-01T00:00:00.000Z',
    ]);
    expect(span('day', 'UTC', '2028-02-29T05:00:00Z')).toEqual([
      '2028-02-29T00:00:00.000Z',
      '2028-03-01T00:00:00.000Z',
    ]);
  });

  it('know a midnight that was skipped, one that came twice, and a date that never was', () => {
    // Lebanon: on 2022-03-27 clocks went from 00:00 to 01:00; Cuba: on 2022-11-06 from 01:00 back to 00:00.
    expect(span('day', 'Asia/Beirut', '2022-03-27T12:00:00Z')).toEqual([
      '2022-03-26T22:00:00.000Z',
      '2022-03-27T21:00:00.000Z',
    ]);
    expect(span('day', 'America/Havana', '2022-11-06T04:30:00Z')).toEqual([
      '2022-11-06T04:00:00.000Z',
      '2022-11-07T05:00:00.000Z',
    ]);
    expect(span('day', 'Pacific/Apia', '2011-12-30T09:00:00Z')[1]).toBe('2011-12-30T10:00:00.000Z');
    expect(span('day', 'Pacific/Apia', '2011-12-30T10:00:00Z')).toEqual([
      '2011-12-30T10:00:00.000Z',
      '2011-12-31T10:00:00.000Z',
    ]);
  });
});
