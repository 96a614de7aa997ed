/** Which replica of the version gets the request. */
import { pickOfTwo } from '#routing/balancer';
import { outlierDefaults, usable } from '#routing/outlier';
import type { Replica } from './upstreams.js';

/** @param not the replica that has just failed, when another is wanted */
export function pick(
  replicas: readonly Replica[],
  nowMs: number,
  random: () => number,
  not?: Replica,
): Replica | undefined {
  if (not === undefined && !replicas.some((replica) => replica.health.ejectedUntilMs > nowMs))
    return pickOfTwo(replicas, nowMs, random);
  const others = not === undefined ? replicas : replicas.filter((replica) => replica !== not);
  return pickOfTwo(usable(others, nowMs, outlierDefaults), nowMs, random);
}
