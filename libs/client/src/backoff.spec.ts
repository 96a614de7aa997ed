import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, pause } from './backoff.js';

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('backoffMs', () => {
  it('doubles from its first to its bound', () => {
    const backoff = { firstMs: 100, maxMs: 1_000 };
    const waits = [1, 2, 3, 10].map((failures) => backoffMs(backoff, failures, () => 1));
    expect(waits).toEqual([100, 200, 400, 1_000]);
  });

  it('stays between half of the full wait and all of it, and never above its bound', () => {
    fc.assert(
      fc.property(
        fc.record({
          firstMs: fc.integer({ min: 1, max: 5_000 }),
          maxMs: fc.integer({ min: 5_000, max: 300_000 }),
        }),
        fc.integer({ min: 1, max: 5_000 }),
        chance,
        (backoff, failures, random) => {
          const fullMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** (failures - 1));
          const waitMs = backoffMs(backoff, failures, () => random);
          expect(waitMs).toBeGreaterThanOrEqual(fullMs / 2);
          expect(waitMs).toBeLessThanOrEqual(fullMs);
        },
      ),
    );
  });
});

describe('pause', () => {
  it('is cut short by an abort, and does not begin after one', async () => {
    const abort = new AbortController();
    const waiting = pause(60_000, abort.signal);
    abort.abort();
    await waiting;
    await pause(60_000, abort.signal);
  });
});
