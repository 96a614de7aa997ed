/** When a part that died is started again. Pure: time and chance are passed in. */

const firstDelayMs = 250;
const longestDelayMs = 15_000;
/** A part that was ready for this long has proved itself: its next failure counts as the first. */
const provenAfterMs = 30_000;

/** The failures in a row, this one included. */
export function countFailure(failuresBefore: number, readyForMs: number): number {
  return readyForMs >= provenAfterMs ? 1 : failuresBefore + 1;
}

/** Exponential with "equal jitter": half of the delay is certain, half is left to chance, so that parts do not restart in step. */
export function restartDelayMs(failures: number, random: () => number): number {
  const fullMs = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.max(0, failures - 1));
  return Math.round(fullMs / 2 + (fullMs / 2) * random());
}
