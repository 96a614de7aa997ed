import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refusalOf } from './admission.js';
import type { Lane } from './admission.js';

const lane = (busy: number, perRequestMs: number): Lane => ({
  busy,
  perRequestMs,
  waitMs: busy * perRequestMs,
});
const roomy = { jobs: 5, maxWaiting: 100 };

describe('refusalOf', () => {
  it('refuses what could not be answered in time, with the time until it is worth another try', () => {
    expect(refusalOf([lane(20, 100)], roomy, 1_000)).toMatchObject({ code: 'OVERLOADED', retryAfterS: 2 });
    expect(refusalOf([lane(20, 100)], roomy, 2_100)).toBeUndefined();
  });

  it('looks at the runner that is free first', () => {
    expect(refusalOf([lane(20, 100), lane(3, 100)], roomy, 500)).toBeUndefined();
  });

  it('refuses when the queue is full', () => {
    const full = { jobs: 3, maxWaiting: 2 };
    expect(refusalOf([lane(3, 0)], full, 1_000)).toMatchObject({ code: 'OVERLOADED', retryAfterS: 1 });
    expect(refusalOf([lane(2, 0)], { ...full, jobs: 2 }, 1_000)).toBeUndefined();
  });

  it('lets jobs wait for a runner that is not there yet, up to the bound', () => {
    expect(refusalOf([], { jobs: 1, maxWaiting: 2 }, 10)).toBeUndefined();
    expect(refusalOf([], { jobs: 2, maxWaiting: 2 }, 10)).toMatchObject({ code: 'OVERLOADED' });
  });

  it('never refuses while a runner is idle', () => {
    const lanes = fc.array(fc.record({ busy: fc.nat(50), perRequestMs: fc.nat(10_000) }), { maxLength: 5 });
    const queue = fc.record({ jobs: fc.nat(200), maxWaiting: fc.integer({ min: 1, max: 100 }) });
    fc.assert(
      fc.property(lanes, queue, fc.nat(1_000), (busy, jobs, timeoutMs) => {
        const idle = { busy: 0, perRequestMs: 60_000, waitMs: 0 };
        const others = busy.map((one) => lane(one.busy, one.perRequestMs));
        expect(refusalOf([...others, idle], jobs, timeoutMs)).toBeUndefined();
      }),
    );
  });
});
