import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketCount, bucketOf, makeSplit, shareByChance, shareOfBucket } from './split.js';
import type { Split } from './split.js';

const splitOf = (weights: Readonly<Record<number, number>>): Split<string> =>
  makeSplit(
    Object.entries(weights).map(([version, weight]) => ({
      version: Number(version),
      weight,
      target: `v${version}`,
    })),
  );

const assignment = (split: Split<string>): (number | undefined)[] =>
  Array.from({ length: bucketCount }, (_, bucket) => shareOfBucket(split, bucket)?.version);

const weights = fc.dictionary(
  fc.integer({ min: 1, max: 40 }).map(String),
  fc.integer({ min: 1, max: 1_000 }),
  { minKeys: 2, maxKeys: 6 },
) as fc.Arbitrary<Record<number, number>>;

describe('sticky split', () => {
  it('moves callers only towards a version whose weight is raised', () => {
    fc.assert(
      fc.property(weights, fc.nat(), fc.integer({ min: 1, max: 1_000 }), (before, pick, more) => {
        const versions = Object.keys(before).map(Number);
        const raised = versions[pick % versions.length] ?? 0;
        const after = { ...before, [raised]: (before[raised] ?? 0) + more };
        const [was, is] = [assignment(splitOf(before)), assignment(splitOf(after))];
        return is.every((version, bucket) => version === was[bucket] || version === raised);
      }),
      { numRuns: 60 },
    );
  });

  it('moves only the callers of a version that is taken away', () => {
    fc.assert(
      fc.property(weights, fc.nat(), (before, pick) => {
        const versions = Object.keys(before).map(Number);
        const gone = versions[pick % versions.length] ?? 0;
        const after = Object.fromEntries(
          Object.entries(before).filter(([version]) => Number(version) !== gone),
        );
        const [was, is] = [assignment(splitOf(before)), assignment(splitOf(after))];
        return is.every((version, bucket) =>
          was[bucket] === gone ? version !== gone : version === was[bucket],
        );
      }),
      { numRuns: 60 },
    );
  });

  it('gives each version its share of the buckets', () => {
    fc.assert(
      fc.property(weights, (given) => {
        const total = Object.values(given).reduce((sum, weight) => sum + weight, 0);
        const tally = new Map<number | undefined, number>();
        for (const version of assignment(splitOf(given))) tally.set(version, (tally.get(version) ?? 0) + 1);
        return Object.entries(given).every(
          ([version, weight]) =>
            Math.abs((tally.get(Number(version)) ?? 0) / bucketCount - weight / total) < 0.03,
        );
      }),
      { numRuns: 60 },
    );
  });

  it('spreads keys over the buckets, apart for each endpoint', () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
    const low = keys.filter((key) => bucketOf(key, 1) < bucketCount / 10);
    expect(low.length).toBeGreaterThan(1_800);
    expect(low.length).toBeLessThan(2_200);
    const both = low.filter((key) => bucketOf(key, 2) < bucketCount / 10);
    expect(both.length).toBeLessThan(300);
  });

  it('never changes between releases', () => {
    expect(['a', 'user-1', 'ключ'].map((key) => bucketOf(key, 7))).toMatchInlineSnapshot(`
      [
        160,
        6546,
        1093,
      ]
    `);
    const split = splitOf({ 1: 90, 2: 10 });
    expect(assignment(split).filter((version) => version === 2).length).toMatchInlineSnapshot(`1013`);
  });
});

describe('split by chance', () => {
  it('lands on each share by weight, for every roll', () => {
    const split = splitOf({ 1: 1, 2: 3 });
    const rolls = Array.from({ length: 1_000 }, (_, i) => shareByChance(split, i / 1_000)?.version);
    expect(rolls.filter((version) => version === 1)).toHaveLength(250);
    fc.assert(
      fc.property(weights, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (given, roll) => {
        return shareByChance(splitOf(given), roll) !== undefined;
      }),
    );
  });

  it('merges a number and an alias of the same version, and drops weight 0', () => {
    const split = makeSplit([
      { version: 1, weight: 2, target: 'a' },
      { version: 1, weight: 3, target: 'a' },
      { version: 2, weight: 0, target: 'b' },
    ]);
    expect(split).toEqual({ shares: [{ version: 1, weight: 5, target: 'a' }], totalWeight: 5 });
    expect(shareByChance(makeSplit([]), 0.5)).toBeUndefined();
  });
});
