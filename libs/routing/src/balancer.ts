/**
 * Power of two choices over peak-EWMA latency × (outstanding + 1), as in Finagle. Owns the cost of a replica and the choice
 * between two; the caller counts `outstanding` up and down and feeds in what it measured.
 */

/** Finagle's decay: what was measured this long ago weighs 1/e. */
export const decayMs = 10_000;
/** Cost of a replica that is working and was never measured: worse than any measured one, so it gets one request at a time. */
const unmeasuredPenalty = 1e9;

export interface Load {
  ewmaMs: number;
  stampMs: number;
  outstanding: number;
}

export const newLoad = (nowMs: number): Load => ({ ewmaMs: 0, stampMs: nowMs, outstanding: 0 });

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

/** What the next request is expected to cost there; smaller is better. */
export function cost(load: Load, nowMs: number): number {
  if (load.ewmaMs === 0 && load.outstanding > 0) return unmeasuredPenalty + load.outstanding;
  return decayed(load, nowMs) * (load.outstanding + 1);
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
