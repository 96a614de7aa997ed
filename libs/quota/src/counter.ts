/**
 * Fixed-window counters. One request is admitted by every quota that applies to it, or counted by none. Time never runs backwards
 * here: when the clock is set back, requests are charged to the latest window that was seen, so no window is ever spent twice.
 * Exact for one gateway; owns no clock, no file and no network.
 */
import type { SnapshotQuota } from '#contracts/snapshot';
import { windowLengthMs, windowStartMs } from './windows.js';

export interface Counter {
  windowStartMs: number;
  used: number;
}

/** A quota and its counters: one for each client, or one for all. */
export interface Meter {
  readonly id: string;
  quota: SnapshotQuota;
  readonly counters: Map<string, Counter>;
}

export interface Charge {
  readonly quota: SnapshotQuota;
  readonly counter: Counter;
}

/** What admission found. `charges` holds every applicable quota; `denied` the first that had nothing left. */
export interface Admission {
  readonly charges: readonly Charge[];
  readonly denied: Charge | undefined;
}

/** No quota applies. */
export const unlimited: Admission = { charges: [], denied: undefined };

export const newMeter = (quota: SnapshotQuota): Meter => ({ id: quota.id, quota, counters: new Map() });

const keyOf = (quota: SnapshotQuota, client: string): string =>
  quota.client_id === null && quota.per_client ? client : '';

function chargeOf(meter: Meter, client: string, nowMs: number): Charge {
  const { quota } = meter;
  const key = keyOf(quota, client);
  const start = windowStartMs(quota.window, nowMs);
  let counter = meter.counters.get(key);
  if (counter === undefined) {
    counter = { windowStartMs: start, used: 0 };
    meter.counters.set(key, counter);
  } else if (start > counter.windowStartMs) {
    counter.windowStartMs = start;
    counter.used = 0;
  }
  return { quota, counter };
}

/** Admits one request by all meters or by none. */
export function admit(meters: readonly Meter[], client: string, nowMs: number): Admission {
  if (meters.length === 0) return unlimited;
  const charges = meters.map((meter) => chargeOf(meter, client, nowMs));
  const denied = charges.find(({ quota, counter }) => counter.used >= quota.limit);
  if (denied) return { charges, denied };
  for (const { counter } of charges) counter.used += 1;
  return { charges, denied: undefined };
}

export const remaining = ({ quota, counter }: Charge): number => Math.max(0, quota.limit - counter.used);

/** Whole seconds until the window ends, at least 1. */
export function resetS({ quota, counter }: Charge, nowMs: number): number {
  const endMs = counter.windowStartMs + windowLengthMs(quota.window);
  return Math.max(1, Math.ceil((endMs - nowMs) / 1_000));
}

/** Forgets counters whose window is over. */
export function sweep(meter: Meter, nowMs: number): void {
  const start = windowStartMs(meter.quota.window, nowMs);
  for (const [key, counter] of meter.counters) if (counter.windowStartMs < start) meter.counters.delete(key);
}
