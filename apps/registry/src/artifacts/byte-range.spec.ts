import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRange } from './byte-range.js';

describe('parseRange', () => {
  it.each([
    ['bytes=0-99', { start: 0, end: 99 }],
    ['Bytes=0-0', { start: 0, end: 0 }],
    ['bytes=990-', { start: 990, end: 999 }],
    ['bytes=990-5000', { start: 990, end: 999 }],
    ['bytes=-10', { start: 990, end: 999 }],
    ['bytes=-5000', { start: 0, end: 999 }],
    ['bytes=1000-', 'unsatisfiable'],
    ['bytes=1000-1001', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-4', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,5-6', undefined],
    ['bytes=a-b', undefined],
    ['items=0-1', undefined],
    [`bytes=0-${'9'.repeat(40)}`, undefined],
    [undefined, undefined],
  ])('reads %s of 1000 bytes', (header, expected) => {
    expect(parseRange(header, 1_000)).toEqual(expected);
  });

  it('never leaves the file, whatever is asked', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), (first, last, sizeBytes) => {
        for (const header of [`bytes=${first}-${last}`, `bytes=${first}-`, `bytes=-${last}`]) {
          const range = parseRange(header, sizeBytes);
          if (typeof range !== 'object') continue;
          expect(range.start).toBeLessThanOrEqual(range.end);
          expect(range.end).toBeLessThan(sizeBytes);
        }
      }),
    );
  });
});
