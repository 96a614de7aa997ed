/** Summaries of measured times. Pure. */
import type { LoadResult } from './load.js';

/** The value below which the share `q` of the ascending values lies; NaN when there are none. */
export const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;

/** The middle of the values, in whatever order they are. */
export const median = (values: readonly number[]): number =>
  quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );

/** @throws when nothing was measured: a number must not come from silence */
export function latencies(tookMs: readonly number[]): Pick<LoadResult, 'p50Ms' | 'p95Ms' | 'p99Ms'> {
  if (tookMs.length === 0) throw new Error('nothing was answered while it was measured');
  const sorted = [...tookMs].sort((a, b) => a - b);
  return { p50Ms: quantile(sorted, 0.5), p95Ms: quantile(sorted, 0.95), p99Ms: quantile(sorted, 0.99) };
}
