import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxAttempts, reasonOf, settle } from './retry.js';

const failure = { kind: 'unanswered', reason: 'no answer' } as const;

describe('a delivery', () => {
  it('is done after an answer of 2xx, whichever attempt it was', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 299 }), fc.integer({ min: 1, max: 20 }), (status, attempts) => {
        expect(settle({ kind: 'answered', status }, attempts, 0.5)).toEqual({ state: 'DELIVERED' });
        expect(reasonOf({ kind: 'answered', status })).toBeNull();
      }),
    );
  });

  it('waits longer each time, within a fifth, and fails after the last attempt', () => {
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(chance, chance, (one, other) => {
        let before = 0;
        for (let attempts = 1; attempts < maxAttempts; attempts += 1) {
          const outcome = settle(failure, attempts, one);
          if (outcome.state !== 'PENDING') throw new Error(`attempt ${attempts} was the last`);
          const again = settle(failure, attempts, other);
          if (again.state !== 'PENDING') throw new Error(`attempt ${attempts} was the last`);
          expect(outcome.waitMs).toBeGreaterThanOrEqual(before);
          expect(Math.abs(outcome.waitMs - again.waitMs)).toBeLessThanOrEqual(outcome.waitMs * 0.23);
          before = outcome.waitMs * 0.8;
        }
        expect(settle(failure, maxAttempts, one)).toEqual({ state: 'FAILED' });
      }),
    );
  });

  it('is not sent again to a receiver that is gone, and follows no redirection', () => {
    expect(settle({ kind: 'answered', status: 410 }, 1, 0)).toEqual({ state: 'FAILED' });
    expect(settle({ kind: 'answered', status: 302 }, 1, 0)).toMatchObject({ state: 'PENDING' });
    expect(reasonOf({ kind: 'answered', status: 302 })).toContain('not followed');
    expect(reasonOf({ kind: 'answered', status: 500 })).toBe('It answered 500.');
  });
});
