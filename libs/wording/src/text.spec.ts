import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agoText, bytesText, numberText, percentText, spanText } from './text.js';

describe('numbers', () => {
  it.each([
    [0, '0'],
    [1_234.56, '1,234.6'],
    [1_250_000, '1.3M'],
  ])('%d is %s', (value, text) => expect(numberText(value)).toBe(text));

  it.each([
    [0, '0 B'],
    [1_023, '1,023 B'],
    [1_536, '1.5 KiB'],
    [64 * 1_024 ** 3, '64 GiB'],
    [2 ** 70, '1,048,576 PiB'],
  ])('%d bytes are %s', (bytes, text) => expect(bytesText(bytes)).toBe(text));

  it('shares are percent', () =>
    expect([0.1, 1 / 3, 1].map(percentText)).toEqual(['10 %', '33.3 %', '100 %']));
});

describe('spans', () => {
  it.each([
    [-5, '0 s'],
    [12_999, '12 s'],
    [61_000, '1 min 1 s'],
    [3_600_000, '1 h'],
    [86_400_000 + 7_200_000 + 60_000, '1 d 2 h'],
    [86_400_000 + 60_000, '1 d'],
  ])('%d ms are %s', (ms, text) => expect(spanText(ms)).toBe(text));

  it('are never longer than they are, nor shorter by more than the smaller of their parts', () => {
    const unitMs: Record<string, number> = { d: 86_400_000, h: 3_600_000, min: 60_000, s: 1_000 };
    const readMs = (text: string): number =>
      [...text.matchAll(/(\d+) (\w+)/g)].reduce(
        (sum, [, n, unit]) => sum + Number(n) * (unitMs[unit ?? ''] ?? 0),
        0,
      );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 * 86_400_000 }), (ms) => {
        const lost = ms - readMs(spanText(ms));
        const allowed = ms < 3_600_000 ? 1_000 : ms < 86_400_000 ? 60_000 : 3_600_000;
        expect(lost).toBeGreaterThanOrEqual(0);
        expect(lost).toBeLessThan(allowed);
      }),
    );
  });

  it('ago begins with now', () => {
    expect([-300, 1_499, 2_000, 61_000].map(agoText)).toEqual([
      'just now',
      'just now',
      '2 s ago',
      '1 min ago',
    ]);
  });
});
