/** What becomes of one inference request, whoever decides it. */
import type { ErrorCode } from '#contracts/errors';
import type { Protocol } from '#inference/codec';

/** Where the time of an answered request went, as its runner measured it. */
export interface Timing {
  /** Batch rows of the request; 1 when the model does not batch. */
  readonly rows: number;
  /**
   * Rows of the execution that served it, in the answer of its first member only; 0 in the others. Fewer than `rows`: the
   * request was cut, and each of its executions but perhaps the last had so many.
   */
  readonly batchRows: number;
  /** Batch items of the request, whether or not the model's requests are joined. */
  readonly items: number;
  /** Its share of the model's time: decoding, encoding, and so much of the execution as it had of the rows. */
  readonly computeUs: number;
  readonly queueUs: number;
  /** Decoding. */
  readonly inputUs: number;
  readonly inferUs: number;
  /** Encoding. */
  readonly outputUs: number;
}

export interface Result {
  readonly kind: 'result';
  readonly body: Buffer;
  /** JSON bytes in front of binary tensors; undefined: all of it is JSON. */
  readonly headerLength: number | undefined;
  readonly timing: Timing;
}

export interface Failure {
  readonly kind: 'failure';
  readonly code: ErrorCode;
  readonly message: string;
  /** When a refused request is worth another try. */
  readonly retryAfterS?: number;
}

export type Outcome = Result | Failure;

export const failure = (code: ErrorCode, message: string): Failure => ({ kind: 'failure', code, message });

/** One inference: the bytes of its body, the time it may take, and who hears the outcome (exactly once). */
export interface Job {
  /** Names the request in logs. */
  readonly requestId: string;
  readonly body: readonly Buffer[];
  readonly protocol: Protocol;
  /** JSON bytes in front of binary tensors, when the caller says so; 0 is a raw binary request. */
  readonly headerLength: number | undefined;
  readonly timeoutMs: number;
  readonly settle: (outcome: Outcome) => void;
}

/** Held by the caller of a job: gives its place free when nobody waits for the outcome any more. */
export interface Ticket {
  abandon(): void;
}

export const crashed: Outcome = failure(
  'RUNNER_CRASHED',
  'The runner died while it worked on the request. Send it again.',
);
/** Of a job that its runner never began: another runner may take it. */
export const unbegun: Outcome = failure(
  'RUNNER_CRASHED',
  'The runner ended before it began with the request. Send it again.',
);
export const late: Outcome = failure('DEADLINE_EXCEEDED', 'The model did not answer before the deadline.');
