/** What becomes of one inference request, whoever decides it. */
import type { ErrorCode } from '#contracts/errors';

export type Outcome =
  | { readonly kind: 'result'; readonly body: Buffer }
  | { readonly kind: 'failure'; readonly code: ErrorCode; readonly message: string };

export const failure = (code: ErrorCode, message: string): Outcome => ({ kind: 'failure', code, message });

/** One inference: the bytes of its body, the time it may take, and who hears the outcome (exactly once). */
export interface Job {
  readonly body: readonly Buffer[];
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
export const late: Outcome = failure('DEADLINE_EXCEEDED', 'The model did not answer before the deadline.');
