import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cost, decayMs, hint, newLoad, observe, pickOfTwo } from './balancer.js';

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
    const slow = { ...newLoad(0), ewmaMs: 5_000, outstanding: 9 };
    expect(cost(fresh, 0)).toBeGreaterThan(cost(slow, 0));
    expect(cost(newLoad(0), 0)).toBe(0);
  });
});

describe('what a replica says of its load', () => {
  it('makes it dearer by what others have there, less and less with time, and never cheaper', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(200), fc.nat(10_000), (outstanding, there, laterMs) => {
        const load = { ...newLoad(0), ewmaMs: 10, outstanding };
        const plain = cost(load, laterMs);
        hint(load, there, 0);
        const others = Math.max(0, there - Math.max(0, outstanding - 1));
        const hinted = cost(load, laterMs);
        return hinted >= plain && hinted <= plain * (1 + others) && (others > 0 || hinted === plain);
      }),
    );
    const load = { ...newLoad(0), ewmaMs: 10, outstanding: 1 };
    hint(load, 4, 0);
    expect(cost(load, 0)).toBe(60);
    hint(load, 0, 0);
    expect(cost(load, 0)).toBe(20);
  });

  it('sends the next request where fewer wait', () => {
    const [busy, idle] = [replica(0), replica(1)];
    for (const one of [busy, idle]) observe(one.load, 10, 0);
    hint(busy.load, 8, 0);
    expect(pickOfTwo([busy, idle], 0, Math.random)).toBe(idle);
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
