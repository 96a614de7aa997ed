import { describe, expect, it } from 'vitest';
import { maxBytesOf, restartDelayMs } from './crew.js';

describe('restartDelayMs', () => {
  it('is none after the first death, then doubles up to half a minute, with jitter', () => {
    expect(restartDelayMs(1, () => 0.5)).toBe(0);
    expect([2, 3, 4].map((deaths) => restartDelayMs(deaths, () => 1))).toEqual([100, 200, 400]);
    expect(restartDelayMs(100, () => 1)).toBe(30_000);
    expect(restartDelayMs(2, () => 0)).toBe(50);
  });
});

describe('maxBytesOf', () => {
  it('is what the settings say, or else a gibibyte, or more for what is large from the start', () => {
    expect(maxBytesOf(2 ** 27, 5_000)).toBe(5_000);
    expect(maxBytesOf(2 ** 27, undefined)).toBe(2 ** 30);
    expect(maxBytesOf(2 ** 29, undefined)).toBe(3 * 2 ** 29);
  });
});
