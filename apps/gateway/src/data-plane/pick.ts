/** Which replica of the version gets the request. */
import { pickOfTwo } from '#routing/balancer';
import { isEjected, outlierDefaults, usable } from '#routing/outlier';
import type { Replica } from './upstreams.js';

export interface Wish {
  /** No replica has more requests of ours under way. */
  readonly maxOutstanding: number;
  /** The replica that has just failed or is slow, when another is wanted. */
  readonly not?: Replica;
}

/** Undefined when there is none, or none has room. */
export function pick(
  replicas: readonly Replica[],
  nowMs: number,
  random: () => number,
  { maxOutstanding, not }: Wish,
): Replica | undefined {
  // Mostly all are well: then only the two that are drawn are looked at, however many there are.
  const drawn = not === undefined ? pickOfTwo(replicas, nowMs, random) : undefined;
  if (drawn && !isEjected(drawn.health, nowMs) && drawn.load.outstanding < maxOutstanding) return drawn;
  const candidates = candidatesOf(replicas, nowMs, not);
  const chosen = pickOfTwo(candidates, nowMs, random);
  if (chosen === undefined || chosen.load.outstanding < maxOutstanding) return chosen;
  const free = candidates.filter(({ load }) => load.outstanding < maxOutstanding);
  return pickOfTwo(free, nowMs, random);
}

function candidatesOf(replicas: readonly Replica[], nowMs: number, not?: Replica): readonly Replica[] {
  const others = not === undefined ? replicas : replicas.filter((replica) => replica !== not);
  return usable(others, nowMs, outlierDefaults);
}
