/** What one execution takes of the thread, without what the event loop does for others meanwhile. */

export interface Timed<T> {
  readonly result: T;
  /** When the model began. */
  readonly startMs: number;
  /** Preparing, which is done at once, and running. */
  readonly ms: number;
}

/**
 * Runs and times. ONNX Runtime's binding runs a model in an immediate of its own, so one that is queued just before tells
 * when that begins.
 * @param freeMs until when the thread was busy with other executions, asked for when this one is done
 */
export async function timed<T>(
  run: () => Promise<T>,
  freeMs: () => number,
  nowMs: () => number,
): Promise<Timed<T>> {
  const preparingMs = nowMs();
  let begunMs: number | undefined;
  setImmediate(() => (begunMs = nowMs()));
  const running = run();
  const preparedMs = nowMs();
  const result = await running;
  const startMs = Math.max(begunMs ?? preparedMs, freeMs());
  return { result, startMs, ms: preparedMs - preparingMs + nowMs() - startMs };
}
