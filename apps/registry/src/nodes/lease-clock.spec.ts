import { expect, it } from 'vitest';
import { LeaseClock } from './lease-clock.js';

const run = (clock: LeaseClock, times: readonly number[]): boolean[] => times.map((time) => clock.tick(time));

it('lets leases end after one lease of steady ticks', () => {
  const clock = new LeaseClock(3_000, 2_000);
  expect(run(clock, [10_000, 11_000, 12_000, 13_000, 14_000])).toEqual([false, false, false, true, true]);
});

it('begins again after a gap, because nobody could renew in it', () => {
  const clock = new LeaseClock(3_000, 2_000);
  run(clock, [0, 1_000, 2_000, 3_000]);
  expect(run(clock, [9_000, 10_000, 11_000, 12_000])).toEqual([false, false, false, true]);
});

it('begins again after a tick that failed', () => {
  const clock = new LeaseClock(3_000, 2_000);
  expect(run(clock, [0, 1_000, 2_000, 3_000])).toEqual([false, false, false, true]);
  clock.reset();
  expect(run(clock, [4_000, 5_000, 6_000, 7_000])).toEqual([false, false, false, true]);
});
