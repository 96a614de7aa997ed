/**
 * Power of two choices over peak-EWMA latency × (outstanding + 1), as in Finagle. Owns the cost of a replica and the choice
 * between two; the caller counts `outstanding` up and down and feeds in what it measured and
 * what a replica says of its own load.
 */

/** Finagle's decay: what was measured this long ago weighs 1/e. */
export const decayMs = 10_000;
/** What a replica said of its load this long ago weighs 1/e: a queue is a matter of a moment. */
const hintDecayMs = 1_000;
/** Cost of a replica that is working and was never measured: worse than any measured one, so it gets one request at a time. */
const unmeasuredPenalty = 1e9;

export interface Load {
  ewmaMs: number;
  stampMs: number;
  outstanding: number;
  /** Requests of others that were there when the replica last said how many it has. */
  elsewhere: number;
  hintedMs: number;
}

export const newLoad = (nowMs: number): Load => ({
  ewmaMs: 0,
  stampMs: nowMs,
  outstanding: 0,
  elsewhere: 0,
  hintedMs: nowMs,
});

function decayed(load: Load, nowMs: number): number {
  return load.ewmaMs * Math.exp(-Math.max(0, nowMs - load.stampMs) / decayMs);
}

/** Takes in one measured latency. A peak counts at once, good news only slowly. */
export function observe(load: Load, latencyMs: number, nowMs: number): void {
  const kept = decayed(load, nowMs);
  const weight = load.ewmaMs === 0 ? 0 : kept / load.ewmaMs;
  load.ewmaMs = latencyMs > load.ewmaMs ? latencyMs : kept + latencyMs * (1 - weight);
  load.stampMs = Math.max(load.stampMs, nowMs);
}

/** Takes in how many requests the replica says it has beside the one that it answers; ours are still counted in `outstanding`. */
export function hint(load: Load, requestsThere: number, nowMs: number): void {
  load.elsewhere = Math.max(0, requestsThere - Math.max(0, load.outstanding - 1));
  load.hintedMs = nowMs;
}

const elsewhereNow = ({ elsewhere, hintedMs }: Load, nowMs: number): number =>
  elsewhere === 0 ? 0 : elsewhere * Math.exp(-Math.max(0, nowMs - hintedMs) / hintDecayMs);

/** What the next request is expected to cost there; smaller is better. */
export function cost(load: Load, nowMs: number): number {
  if (load.ewmaMs === 0) return load.outstanding > 0 ? unmeasuredPenalty + load.outstanding : 0;
  return decayed(load, nowMs) * (load.outstanding + elsewhereNow(load, nowMs) + 1);
}

/** Draws two and takes the cheaper. Undefined only when there is none. */
export function pickOfTwo<R extends { readonly load: Load }>(
  replicas: readonly R[],
  nowMs: number,
  random: () => number,
): R | undefined {
  const count = replicas.length;
  if (count <= 1) return replicas[0];
  const first = Math.floor(random() * count);
  const second = (first + 1 + Math.floor(random() * (count - 1))) % count;
  const a = replicas[first];
  const b = replicas[second];
  if (!a || !b) return a ?? b;
  return cost(b.load, nowMs) < cost(a.load, nowMs) ? b : a;
}
