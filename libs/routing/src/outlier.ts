/**
 * Outlier ejection: a replica that fails several times in a row is left out for a while, longer each time. Owns the rules and
 * the per-replica record; which replicas form a set is the caller's business.
 */

export interface OutlierPolicy {
  readonly consecutiveFailures: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  /** An ejected replica may be asked whether it is ready after this time for each ejection that weighs on it. */
  readonly probeAfterMs: number;
  /** At most this share of a set is ejected at a time, but always at least one may be. */
  readonly maxEjectedShare: number;
  /** Below this share of healthy replicas, ejections are ignored: better a doubtful answer than none. */
  readonly panicShare: number;
}

/** Envoy's defaults. Of a set of fewer than twenty, one replica may be ejected at a time. */
export const outlierDefaults: OutlierPolicy = {
  consecutiveFailures: 5,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  probeAfterMs: 1_000,
  maxEjectedShare: 0.1,
  panicShare: 0.5,
};

export interface Health {
  failuresInARow: number;
  /** 0 when it was never ejected. */
  ejectedUntilMs: number;
  ejectedAtMs: number;
  /** How many ejections weigh on the next one; a quiet base period takes one away. */
  ejections: number;
}

export const newHealth = (): Health => ({
  failuresInARow: 0,
  ejectedUntilMs: 0,
  ejectedAtMs: 0,
  ejections: 0,
});

export const isEjected = (health: Health, nowMs: number): boolean => nowMs < health.ejectedUntilMs;

/** Notes a success. */
export function succeeded(health: Health): void {
  health.failuresInARow = 0;
}

/** Notes a failure; true when the replica is ejected by it. `peers` is the whole set, the replica included. */
export function failed(
  health: Health,
  peers: readonly { readonly health: Health }[],
  nowMs: number,
  policy: OutlierPolicy,
): boolean {
  health.failuresInARow += 1;
  if (health.failuresInARow < policy.consecutiveFailures || isEjected(health, nowMs)) return false;
  const ejected = peers.filter((peer) => isEjected(peer.health, nowMs)).length;
  if (ejected + 1 > Math.max(1, Math.floor(peers.length * policy.maxEjectedShare))) return false;
  eject(health, nowMs, policy);
  return true;
}

function eject(health: Health, nowMs: number, policy: OutlierPolicy): void {
  const quietPeriods =
    health.ejections === 0 ? 0 : Math.floor((nowMs - health.ejectedUntilMs) / policy.baseEjectionMs);
  health.ejections = Math.max(0, health.ejections - quietPeriods) + 1;
  health.failuresInARow = 0;
  health.ejectedAtMs = nowMs;
  health.ejectedUntilMs = nowMs + Math.min(policy.maxEjectionMs, policy.baseEjectionMs * health.ejections);
}

/** Whether it is worth asking an ejected replica if it is ready again. One that fails again and again is asked later each time. */
export const mayProbe = (health: Health, nowMs: number, policy: OutlierPolicy): boolean =>
  isEjected(health, nowMs) && nowMs - health.ejectedAtMs >= policy.probeAfterMs * health.ejections;

/** An ejected replica has said that it is ready: it takes part again, on probation. */
export function readmit(health: Health, nowMs: number): void {
  health.ejectedUntilMs = nowMs;
  health.failuresInARow = 0;
}

/** The replicas that may be used now: the healthy ones, or all in a panic. */
export function usable<R extends { readonly health: Health }>(
  replicas: readonly R[],
  nowMs: number,
  policy: OutlierPolicy,
): readonly R[] {
  const healthy = replicas.filter((replica) => !isEjected(replica.health, nowMs));
  return healthy.length === 0 || healthy.length < replicas.length * policy.panicShare ? replicas : healthy;
}
