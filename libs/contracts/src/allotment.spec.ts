import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allot, neededInstances } from './allotment.js';

describe('allot', () => {
  it.each([
    [null, null, 1, 1, 1],
    [null, null, 2, 2, 1],
    [null, null, 8, 2, 4],
    [null, null, 16, 4, 4],
    [null, null, 48, 12, 4],
    [null, 8, 48, 6, 8],
    [1, null, 8, 1, 8],
    [null, 1, 8, 2, 1],
    [null, 8, 8, 1, 8],
    [3, null, 8, 3, 2],
    [2, 4, 4, 2, 2],
    [4, 1, 2, 4, 1],
  ])('instances %s × threads %s on %d cores are %d × %d', (instances, threads, cores, count, each) => {
    expect(allot({ instances, intra_op_threads: threads }, cores)).toEqual({
      instances: count,
      intraOpThreads: each,
    });
  });

  it('never takes more than the cores unless the config names more instances', () => {
    const some = (max: number): fc.Arbitrary<number | null> => fc.option(fc.integer({ min: 1, max }));
    fc.assert(
      fc.property(some(64), some(128), fc.integer({ min: 1, max: 96 }), (instances, threads, cores) => {
        const got = allot({ instances, intra_op_threads: threads }, cores);
        expect(got.intraOpThreads).toBeGreaterThanOrEqual(1);
        expect(got.instances * got.intraOpThreads).toBeLessThanOrEqual(Math.max(cores, instances ?? 1));
      }),
    );
  });
});

describe('what a version needs', () => {
  const allotment = { instances: 2, intraOpThreads: 1 };
  it.each([
    ['a quick model', null, 1, 0.1, 1],
    ['a slow model', null, 1, 20, 2],
    ['a model that was not measured', null, 0, 0, 2],
    ['a config that names a number', 2, 1, 0.1, 2],
    ['a model of images of any size', null, 1, 0.1, 2, [-1, 3, -1, -1]],
  ])('of %s', (_, instances, warmupMs, latencyMs, needed, shape = [-1, 4]) => {
    const signature = { inputs: [{ name: 'x', datatype: 'FP32' as const, shape }] };
    const measured = { warmup_ms: warmupMs, latency_ms: latencyMs, signature };
    expect(neededInstances({ instances }, allotment, measured)).toBe(needed);
  });
});
