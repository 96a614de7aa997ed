import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptAfterRetirementMs, keyState, publishedBeforeMs } from './key-times.js';

const ttlS = 900;
const at = (ms: number): Date => new Date(ms);

describe('a key', () => {
  it('is published, signs, retires and goes', () => {
    const times = { signs_from: at(10_000), retired_at: at(50_000) };
    const states = [0, 9_999, 10_000, 49_999, 50_000, 50_000 + keptAfterRetirementMs(ttlS)];
    expect(states.map((nowMs) => keyState(times, ttlS, nowMs))).toEqual([
      'PUBLISHED',
      'PUBLISHED',
      'SIGNING',
      'SIGNING',
      'RETIRED',
      'GONE',
    ]);
  });

  it('signs at every moment, whenever keys are rotated, and none signs before it was published for long enough', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 20 }),
        fc.nat(2_000_000),
        (gaps, nowMs) => {
          const keys: { created: number; signs_from: Date; retired_at: Date | null }[] = [
            { created: 0, signs_from: at(0), retired_at: null },
          ];
          let clockMs = 0;
          for (const gapMs of gaps) {
            clockMs += gapMs;
            const startMs = clockMs + publishedBeforeMs;
            for (const key of keys) key.retired_at ??= at(startMs);
            keys.push({ created: clockMs, signs_from: at(startMs), retired_at: null });
          }
          const published = keys.filter(({ created }) => created <= nowMs);
          const rotatedByThen = published.map((key, index) =>
            index === published.length - 1 ? { ...key, retired_at: null } : key,
          );
          const signing = rotatedByThen.filter((key) => keyState(key, ttlS, nowMs) === 'SIGNING');
          return signing.length > 0;
        },
      ),
    );
  });
});
