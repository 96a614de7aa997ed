/** Arrival times of a Poisson process. Pure. */

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Moments in ms from 0 up to `durationMs`, ascending; the gaps are exponential with the mean 1 / `perSecond`. */
export function poissonArrivals(perSecond: number, durationMs: number, random: () => number): number[] {
  const arrivals: number[] = [];
  const meanGapMs = 1_000 / perSecond;
  const gapMs = (): number => -Math.log(1 - random()) * meanGapMs;
  for (let atMs = gapMs(); atMs < durationMs; atMs += gapMs()) arrivals.push(atMs);
  return arrivals;
}
