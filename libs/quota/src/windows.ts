/** Calendar windows in UTC. */
import type { SnapshotQuota } from '#contracts/snapshot';

export type Window = SnapshotQuota['window'];

const lengths: Record<Window, number> = { minute: 60_000, day: 86_400_000 };

export const windowLengthMs = (window: Window): number => lengths[window];

/** When the window that holds `nowMs` began. UTC days have no leap seconds in Unix time, so both are whole multiples. */
export function windowStartMs(window: Window, nowMs: number): number {
  const length = lengths[window];
  return Math.floor(nowMs / length) * length;
}
