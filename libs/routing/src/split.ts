/**
 * The weighted split. Callers with a sticky key fall into one of 10,000 buckets, and each bucket chooses its version by
 * weighted rendezvous hashing: raising one weight moves callers only towards that version, and taking a version away moves
 * only its own callers. Callers without a key are drawn by chance.
 */
import { hashText, mix } from './hash.js';

export const bucketCount = 10_000;

/** A version's part of the traffic. `weight` is relative; `version` also names it in the hash. */
export interface Share<V> {
  readonly version: number;
  readonly weight: number;
  readonly target: V;
}

export interface Split<V> {
  readonly shares: readonly Share<V>[];
  readonly totalWeight: number;
}

/** Merges shares of the same version (a number and an alias of it) and drops those without weight. */
export function makeSplit<V>(shares: readonly Share<V>[]): Split<V> {
  const merged = new Map<number, Share<V>>();
  for (const share of shares) {
    if (!(share.weight > 0)) continue;
    const weight = share.weight + (merged.get(share.version)?.weight ?? 0);
    merged.set(share.version, { ...share, weight });
  }
  const kept = [...merged.values()];
  return { shares: kept, totalWeight: kept.reduce((sum, share) => sum + share.weight, 0) };
}

/** The bucket of a sticky key. `seed` differs by endpoint, so that the same callers are not the canaries of all. */
export function bucketOf(key: string, seed: number): number {
  return hashText(key, seed) % bucketCount;
}

/** Uniform in (0, 1), fixed for a bucket and a version. */
function uniform(bucket: number, version: number): number {
  return (mix(mix(Math.imul(bucket + 1, 0x9e3779b1)) + Math.imul(version, 0x85ebca77)) + 0.5) / 4_294_967_296;
}

/** The share of a bucket: the smallest of exponential draws with rate = weight. */
export function shareOfBucket<V>(split: Split<V>, bucket: number): Share<V> | undefined {
  let best: Share<V> | undefined;
  let bestDraw = Infinity;
  for (const share of split.shares) {
    const draw = -Math.log(uniform(bucket, share.version)) / share.weight;
    if (draw < bestDraw) {
      bestDraw = draw;
      best = share;
    }
  }
  return best;
}

/** The share that a roll of the dice in [0, 1) falls on. */
export function shareByChance<V>(split: Split<V>, roll: number): Share<V> | undefined {
  let left = roll * split.totalWeight;
  for (const share of split.shares) {
    left -= share.weight;
    if (left < 0) return share;
  }
  return split.shares.at(-1);
}
