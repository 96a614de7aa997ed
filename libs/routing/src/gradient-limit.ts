/**
 * An adaptive limit on concurrency, as Netflix's Gradient2: while answers take as long as they usually do the limit grows; when
 * they take longer, requests are queueing somewhere behind, and it shrinks in proportion.
 */

export interface GradientPolicy {
  readonly min: number;
  readonly max: number;
  /** How many requests may queue behind when all is well; what the limit grows by. */
  readonly queue: number;
  /** Share of the new limit in each step. */
  readonly smoothing: number;
  /** Latency may grow by this factor before the limit shrinks. */
  readonly tolerance: number;
  /** Samples over which the usual latency is averaged. */
  readonly longWindow: number;
}

/** Gradient2's own defaults, but for `max`. */
export const gradientDefaults: Omit<GradientPolicy, 'max'> = {
  min: 20,
  queue: 4,
  smoothing: 0.2,
  tolerance: 1.5,
  longWindow: 600,
};

export interface GradientLimit {
  limit: number;
  /** 0 before the first sample. */
  usualMs: number;
  samples: number;
}

export const newGradientLimit = ({ min, max }: GradientPolicy): GradientLimit => ({
  limit: Math.min(min, max),
  usualMs: 0,
  samples: 0,
});

/** The first samples weigh as in a plain mean, so that one odd beginning does not last. */
function averageIn(state: GradientLimit, latencyMs: number, longWindow: number): void {
  state.samples = Math.min(state.samples + 1, longWindow);
  state.usualMs += (latencyMs - state.usualMs) / state.samples;
  // After a slow spell the usual latency must not stay high for a whole window.
  if (state.usualMs > 2 * latencyMs) state.usualMs *= 0.95;
}

/** Takes in one latency, measured while `inFlight` requests were under way. */
export function adapt(
  state: GradientLimit,
  latencyMs: number,
  inFlight: number,
  policy: GradientPolicy,
): void {
  const sampleMs = Math.max(latencyMs, 0.001);
  averageIn(state, sampleMs, policy.longWindow);
  // Nothing is learnt about a limit that is not used.
  if (inFlight < state.limit / 2) return;
  const gradient = Math.max(0.5, Math.min(1, (policy.tolerance * state.usualMs) / sampleMs));
  const wanted = state.limit * gradient + policy.queue;
  const next = state.limit * (1 - policy.smoothing) + wanted * policy.smoothing;
  state.limit = Math.min(policy.max, Math.max(Math.min(policy.min, policy.max), next));
}
