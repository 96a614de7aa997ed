/** Long work in steps, between which others get their turn on the event loop. */
import { setImmediate as turn } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';

/** Work that may pause at each `yield`. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Does the work without a pause. */
export function runAtOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Pauses whenever `sliceMs` have passed since the last pause; work that is shorter is done when this returns. */
export async function runInSlices<T>(steps: Steps<T>, sliceMs = 2): Promise<T> {
  for (;;) {
    const untilMs = performance.now() + sliceMs;
    do {
      const { done, value } = steps.next();
      if (done === true) return value;
    } while (performance.now() < untilMs);
    await turn();
    if (collectYoung()) await turn();
  }
}

const youngBytes = 2_097_152;

/**
 * Long work leaves behind what lives. V8 would copy all of it in one go when its young generation is full, and that of a gateway is large
 * ({@link gatewayNodeFlags}): so it is collected often meanwhile. Only where V8 lets programs do so (`--expose-gc`).
 * @returns whether it took time
 */
function collectYoung(): boolean {
  if (!globalThis.gc) return false;
  const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
  if (young === undefined || young.space_used_size < youngBytes) return false;
  globalThis.gc({ type: 'minor' });
  return true;
}
