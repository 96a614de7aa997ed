import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cost, decayMs, newLoad, observe, pickOfTwo } from './balancer.js';

/** A small seeded generator, so that a failing run can be repeated. */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 0) / 4_294_967_296;
  };
}

const replica = (name: number) => ({ name, load: newLoad(0) });

describe('peak EWMA', () => {
  it('stays between the smallest and the largest that it saw', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0.1, max: 1e4, noNaN: true }), fc.nat(5_000)), { minLength: 1 }),
        (samples) => {
          const load = newLoad(0);
          let nowMs = 0;
          for (const [latencyMs, stepMs] of samples) observe(load, latencyMs, (nowMs += stepMs));
          const seen = samples.map(([latencyMs]) => latencyMs);
          return load.ewmaMs <= Math.max(...seen) + 1e-9 && load.ewmaMs >= Math.min(...seen) - 1e-9;
        },
      ),
    );
  });

  it('takes a peak at once and forgets it slowly', () => {
    const load = newLoad(0);
    observe(load, 10, 0);
    observe(load, 500, 1);
    expect(load.ewmaMs).toBe(500);
    observe(load, 10, 1 + decayMs);
    expect(load.ewmaMs).toBeCloseTo(500 / Math.E + 10 * (1 - 1 / Math.E), 6);
  });

  it('makes a busy unmeasured replica the last choice', () => {
    const fresh = { ...newLoad(0), outstanding: 1 };
    const slow = { ewmaMs: 5_000, stampMs: 0, outstanding: 9 };
    expect(cost(fresh, 0)).toBeGreaterThan(cost(slow, 0));
    expect(cost(newLoad(0), 0)).toBe(0);
  });
});

describe('power of two choices', () => {
  it('never takes the dearest of all when costs differ, and reaches every other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 12 }), fc.integer(), (count, seed) => {
        const replicas = Array.from({ length: count }, (_, name) => {
          const one = replica(name);
          observe(one.load, 10 * (name + 1), 0);
          return one;
        });
        const random = randomOf(seed);
        const taken = new Set(Array.from({ length: 2_000 }, () => pickOfTwo(replicas, 0, random)?.name));
        return !taken.has(count - 1) && taken.size === count - 1;
      }),
      { numRuns: 40 },
    );
  });

  it('keeps equally fast replicas about equally busy', () => {
    const replicas = Array.from({ length: 10 }, (_, name) => replica(name));
    for (const one of replicas) observe(one.load, 10, 0);
    const random = randomOf(1);
    for (let i = 0; i < 1_000; i++) {
      const taken = pickOfTwo(replicas, 0, random);
      if (taken) taken.load.outstanding += 1;
    }
    const counts = replicas.map((one) => one.load.outstanding);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(6);
  });

  it('answers for one and for none', () => {
    const only = replica(0);
    expect(pickOfTwo([only], 0, Math.random)).toBe(only);
    expect(pickOfTwo([], 0, Math.random)).toBeUndefined();
  });
});
