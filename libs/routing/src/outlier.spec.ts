import { describe, expect, it } from 'vitest';
import {
  failed,
  isEjected,
  mayProbe,
  newHealth,
  outlierDefaults as policy,
  readmit,
  succeeded,
  usable,
} from './outlier.js';

const setOf = (count: number) => Array.from({ length: count }, () => ({ health: newHealth() }));

type Peers = ReturnType<typeof setOf>;
const failTimes = (peers: Peers, index: number, times: number, nowMs: number): boolean => {
  let ejected = false;
  const health = peers[index]?.health ?? newHealth();
  for (let i = 0; i < times; i++) ejected = failed(health, peers, nowMs, policy);
  return ejected;
};

describe('outlier ejection', () => {
  it('ejects after five failures in a row, not after four and a success', () => {
    const peers = setOf(3);
    expect(failTimes(peers, 0, 4, 0)).toBe(false);
    succeeded(peers[0]?.health ?? newHealth());
    expect(failTimes(peers, 0, 4, 0)).toBe(false);
    expect(failTimes(peers, 0, 1, 0)).toBe(true);
    expect(usable(peers, 0, policy)).toEqual([peers[1], peers[2]]);
    expect(usable(peers, policy.baseEjectionMs, policy)).toHaveLength(3);
  });

  it('ejects for longer each time, and forgives after quiet periods', () => {
    const peers = setOf(2);
    failTimes(peers, 0, 5, 0);
    expect(peers[0]?.health.ejectedUntilMs).toBe(30_000);
    failTimes(peers, 0, 5, 30_000);
    expect(peers[0]?.health.ejectedUntilMs).toBe(30_000 + 60_000);
    failTimes(peers, 0, 5, 90_000 + 10 * 30_000);
    expect(peers[0]?.health.ejectedUntilMs).toBe(390_000 + 30_000);
  });

  it('lets a replica back that says that it is ready, and asks later each time that it fails again', () => {
    const peers = setOf(2);
    const health = peers[0]?.health ?? newHealth();
    failTimes(peers, 0, 5, 0);
    expect([999, 1_000].map((nowMs) => mayProbe(health, nowMs, policy))).toEqual([false, true]);
    readmit(health, 1_000);
    expect([isEjected(health, 1_000), mayProbe(health, 1_000, policy)]).toEqual([false, false]);
    failTimes(peers, 0, 4, 1_500);
    expect(isEjected(health, 1_500)).toBe(false);
    failTimes(peers, 0, 1, 1_500);
    expect([3_499, 3_500].map((nowMs) => mayProbe(health, nowMs, policy))).toEqual([false, true]);
  });

  it('keeps to the largest ejected share, but may always eject one', () => {
    for (const [size, ejected] of [
      [1, 1],
      [2, 1],
      [10, 1],
      [19, 1],
      [20, 2],
      [100, 10],
    ] as const) {
      const peers = setOf(size);
      for (const index of peers.keys()) failTimes(peers, index, 5, 0);
      expect(peers.filter(({ health }) => isEjected(health, 1))).toHaveLength(ejected);
    }
  });

  it('uses all in a panic', () => {
    const peers = setOf(3);
    for (const [index, peer] of peers.entries()) peer.health.ejectedUntilMs = index < 2 ? 100 : 0;
    expect(usable(peers, 50, policy)).toBe(peers);
    expect(usable(setOf(0), 50, policy)).toEqual([]);
  });
});
