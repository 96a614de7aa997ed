/** Waiting before the next try: exponential with jitter, so that many who lost the same thing do not come back in one wave. */

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Between calls of a registry that does not answer. */
export const registryBackoff: Backoff = { firstMs: 200, maxMs: 5_000 };

/** The wait after `failures` failures in a row, at least 1: half of it certain, half left to chance. */
export function backoffMs({ firstMs, maxMs }: Backoff, failures: number, random: () => number): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return ceiling * (0.5 + random() / 2);
}

/** Resolves after `ms`, or at once when the signal is or gets aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
