/**
 * Calendar windows. Seconds, minutes and hours begin in UTC; days and months at midnight of a time zone. Windows follow each
 * other without gap or overlap through every change of the clocks: one begins when its midnight is first reached, or, when
 * midnight is skipped, at the moment of the skip. (Unix time has no leap seconds.)
 */
import type { QuotaWindow } from '#contracts/quotas';

export type CalendarWindow = Exclude<QuotaWindow, 'bucket'>;

export interface WindowSpan {
  readonly startMs: number;
  readonly endMs: number;
}

const fixedMs = { second: 1_000, minute: 60_000, hour: 3_600_000 } as const;
const dayMs = 86_400_000;

/** Length in seconds where it is always the same: a month has none, and a day is taken for a usual one. */
export const nominalSeconds: Readonly<Record<CalendarWindow, number | undefined>> = {
  second: 1,
  minute: 60,
  hour: 3_600,
  day: 86_400,
  month: undefined,
};

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (!format) {
    const numeric = 'numeric';
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    });
    formats.set(timeZone, format);
  }
  return format;
}

/** What clocks in the zone show at a moment, as if it were UTC. */
export function wallMs(timeZone: string, atMs: number): number {
  if (timeZone === 'UTC') return atMs;
  const field: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(atMs)) field[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = field;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((atMs % 1_000) + 1_000) % 1_000);
}

/** The first moment at which clocks in the zone show `wall`, or jump past it. */
function firstMomentOf(timeZone: string, wall: number): number {
  const offsetAt = (atMs: number): number => wallMs(timeZone, atMs) - atMs;
  const moments = [wall - offsetAt(wall - dayMs), wall - offsetAt(wall + dayMs)].sort((a, b) => a - b);
  const [early = wall, late = wall] = moments;
  if (wallMs(timeZone, early) === wall) return early;
  if (wallMs(timeZone, late) === wall) return late;
  let before = early - dayMs;
  let after = late;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (wallMs(timeZone, middle) >= wall) after = middle;
    else before = middle;
  }
  return after;
}

function boundary(window: 'day' | 'month', wall: number, shift: number): number {
  if (window === 'day') return (Math.floor(wall / dayMs) + shift) * dayMs;
  const date = new Date(wall);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + shift, 1);
}

/** Spans that were found lately, by window and zone: a gateway's calls ask for the same few over and over. */
const known = new Map<string, WindowSpan[]>();
const maxKnown = 3;

/** The window that holds a moment. */
export function windowAt(window: CalendarWindow, timeZone: string, atMs: number): WindowSpan {
  if (window === 'second' || window === 'minute' || window === 'hour') {
    const startMs = Math.floor(atMs / fixedMs[window]) * fixedMs[window];
    return { startMs, endMs: startMs + fixedMs[window] };
  }
  const name = `${window} ${timeZone}`;
  const spans = known.get(name) ?? [];
  const found = spans.find(({ startMs, endMs }) => startMs <= atMs && atMs < endMs);
  if (found) return found;
  const span = findWindow(window, timeZone, atMs);
  known.set(name, [span, ...spans.slice(0, maxKnown - 1)]);
  return span;
}

function findWindow(window: 'day' | 'month', timeZone: string, atMs: number): WindowSpan {
  const wall = wallMs(timeZone, atMs);
  // When clocks go back over midnight, the old date is shown again in the new window.
  for (const shift of [0, 1, -1]) {
    const startMs = firstMomentOf(timeZone, boundary(window, wall, shift));
    const endMs = firstMomentOf(timeZone, boundary(window, wall, shift + 1));
    if (startMs <= atMs && atMs < endMs) return { startMs, endMs };
  }
  throw new Error(`no ${window} of ${timeZone} holds ${atMs}`);
}
