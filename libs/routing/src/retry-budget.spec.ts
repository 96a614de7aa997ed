import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from './retry-budget.js';

describe('retry budget', () => {
  it('allows a fifth of the requests of the last ten seconds, and a few always', () => {
    const budget = new RetryBudget();
    const tryAll = (nowMs: number): number => {
      let count = 0;
      while (budget.tryRetry(nowMs)) count += 1;
      return count;
    };
    expect(tryAll(0)).toBe(30);
    for (let i = 0; i < 1_000; i++) budget.request(5_000);
    expect(tryAll(5_000)).toBe(200);
    expect(tryAll(9_999)).toBe(0);
    expect(tryAll(10_000)).toBe(30);
    expect(tryAll(16_000)).toBe(0);
    expect(tryAll(25_000)).toBe(30);
  });

  it('never exceeds the share over a whole run', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(400), fc.boolean()), { maxLength: 500 }), (steps) => {
        const budget = new RetryBudget({ share: 0.2, minPerSecond: 0 });
        let [nowMs, requests, retries] = [0, 0, 0];
        for (const [stepMs, isRetry] of steps) {
          nowMs += stepMs;
          if (isRetry) retries += budget.tryRetry(nowMs) ? 1 : 0;
          else {
            budget.request(nowMs);
            requests += 1;
          }
          if (retries > requests * 0.2) return false;
        }
        return true;
      }),
    );
  });
});
