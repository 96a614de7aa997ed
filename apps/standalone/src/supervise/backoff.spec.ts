import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countFailure, restartDelayMs } from './backoff.js';

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('restartDelayMs', () => {
  it('doubles from a quarter of a second', () => {
    const middle = () => 0.5;
    expect([1, 2, 3, 4].map((failures) => restartDelayMs(failures, middle))).toEqual([188, 375, 750, 1_500]);
  });

  it('stays between half of the full delay and all of it, and never above 15 s', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), chance, (failures, random) => {
        const fullMs = Math.min(15_000, 250 * 2 ** (failures - 1));
        const delayMs = restartDelayMs(failures, () => random);
        expect(delayMs).toBeGreaterThanOrEqual(Math.floor(fullMs / 2));
        expect(delayMs).toBeLessThanOrEqual(fullMs);
      }),
    );
  });
});

describe('countFailure', () => {
  it('counts on while the part fails young, and begins anew once it has proved itself', () => {
    expect(countFailure(0, 0)).toBe(1);
    expect(countFailure(4, 29_999)).toBe(5);
    expect(countFailure(4, 30_000)).toBe(1);
  });
});
