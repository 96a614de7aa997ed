import { describe, expect, it } from 'vitest';
import { poissonArrivals, seededRandom } from './poisson.js';

describe('poisson arrivals', () => {
  const gaps = (arrivals: readonly number[]): number[] =>
    arrivals.map((atMs, index) => atMs - (arrivals[index - 1] ?? 0));
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;

  it('ascend within the time, and are the same for the same seed', () => {
    const arrivals = poissonArrivals(200, 5_000, seededRandom(7));
    expect(arrivals).toEqual([...arrivals].sort((a, b) => a - b));
    expect(arrivals.at(-1)).toBeLessThan(5_000);
    expect(poissonArrivals(200, 5_000, seededRandom(7))).toEqual(arrivals);
    expect(poissonArrivals(200, 5_000, seededRandom(8))).not.toEqual(arrivals);
  });

  it('have the rate, and gaps as spread as exponential ones: deviation equal to mean', () => {
    const all = gaps(poissonArrivals(1_000, 100_000, seededRandom(1)));
    const meanMs = mean(all);
    const deviationMs = Math.sqrt(mean(all.map((gap) => (gap - meanMs) ** 2)));
    expect(meanMs).toBeCloseTo(1, 1);
    expect(deviationMs / meanMs).toBeCloseTo(1, 1);
  });
});
