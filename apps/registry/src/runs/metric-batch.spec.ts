import type { MetricPoint } from '#contracts/runs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareTime, compareValues, stepsPerBlock, summarize } from './metric-batch.js';

const values = fc.oneof(
  fc.double({ noNaN: true }),
  fc.constantFrom<MetricPoint['value']>('NaN', 'Infinity', '-Infinity', 0, 1),
);
const points = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'loss/train'),
    step: fc.integer({ min: -300, max: 300 }),
    timestamp_ms: fc.integer({ min: 0, max: 3 }),
    value: values,
  }),
  { maxLength: 60 },
);
const placed = (point: MetricPoint) => ({
  step: point.step,
  timestampMs: point.timestamp_ms,
  value: Number(point.value),
});

describe('a batch of metric points', () => {
  it('has the latest point of each key, whatever the order', () => {
    fc.assert(
      fc.property(points, (metrics) => {
        const { keys, latest } = summarize(metrics);
        expect(keys).toEqual([...new Set(metrics.map(({ key }) => key))].sort());
        for (const [i, key] of keys.entries()) {
          const own = metrics.filter((metric) => metric.key === key).map(placed);
          expect(latest[i]).toEqual(own.toSorted(compareTime).at(-1));
        }
      }),
    );
  });

  it('has the lowest and highest of each block, and NaN apart from the numbers', () => {
    fc.assert(
      fc.property(points, (metrics) => {
        const { keys, blocks } = summarize(metrics);
        let covered = 0;
        for (const { keyIndex, block, isNan, low, high } of blocks) {
          const own = metrics
            .filter(({ key, step }) => key === keys[keyIndex] && Math.floor(step / stepsPerBlock) === block)
            .map(placed)
            .filter(({ value }) => Number.isNaN(value) === isNan);
          covered += own.length;
          const byValue = own.toSorted((one, other) => compareValues(one.value, other.value));
          expect(compareValues(low.value, byValue[0]?.value ?? 0)).toBe(0);
          expect(compareValues(high.value, byValue.at(-1)?.value ?? 0)).toBe(0);
          expect(own).toContainEqual(low);
          expect(own).toContainEqual(high);
        }
        expect(covered).toBe(metrics.length);
      }),
    );
  });

  it('does not depend on the order of its points', () => {
    fc.assert(
      fc.property(points, (metrics) => {
        const one = summarize(metrics);
        const other = summarize(metrics.toReversed());
        const sorted = ({ blocks }: typeof one) =>
          blocks
            .map((block) => JSON.stringify({ ...block, low: block.low.step, high: block.high.step }))
            .sort();
        expect(sorted(other)).toEqual(sorted(one));
        expect(other.latest.map(({ step }) => step)).toEqual(one.latest.map(({ step }) => step));
      }),
    );
  });
});
