import { describe, expect, it } from 'vitest';
import { restartDelayMs } from './runner-pool.js';

describe('restartDelayMs', () => {
  it('is none after the first death, then doubles up to half a minute, with jitter', () => {
    expect(restartDelayMs(1, () => 0.5)).toBe(0);
    expect([2, 3, 4].map((deaths) => restartDelayMs(deaths, () => 0.5))).toEqual([100, 200, 400]);
    expect(restartDelayMs(100, () => 0.5)).toBe(30_000);
    expect(restartDelayMs(2, () => 0)).toBe(75);
  });
});
