/** A part that was ready for this long has proved itself: its next failure counts as the first. */
const provenAfterMs = 30_000;

/** The failures in a row, this one included. */
export const countFailure = (failuresBefore: number, readyForMs: number): number =>
  readyForMs >= provenAfterMs ? 1 : failuresBefore + 1;
