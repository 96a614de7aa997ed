/** Long work in steps, between which others get their turn on the event loop. */
import { setImmediate as turn } from 'node:timers/promises';

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
export async function runInSlices<T>(steps: Steps<T>, sliceMs = 3): Promise<T> {
  for (;;) {
    const untilMs = performance.now() + sliceMs;
    do {
      const { done, value } = steps.next();
      if (done === true) return value;
    } while (performance.now() < untilMs);
    await turn();
  }
}
