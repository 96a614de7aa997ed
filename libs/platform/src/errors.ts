/** The one exception that Sluice's code throws for a caller to see, and its form on the wire. */
import { errorTable } from '#contracts/errors';
import type { ErrorCode, Problem } from '#contracts/errors';

export interface SluiceErrorOptions {
  readonly fields?: readonly { readonly path: string; readonly message: string }[];
  /** Seconds for Retry-After. */
  readonly retryAfterS?: number;
  /** What happened, for the log only. */
  readonly cause?: unknown;
}

/** `detail` goes to the caller: say what happened and what to do, never anything internal. */
export class SluiceError extends Error {
  override readonly name = 'SluiceError';
  readonly status: number;
  readonly fields: SluiceErrorOptions['fields'];
  readonly retryAfterS: number | undefined;

  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    options: SluiceErrorOptions = {},
  ) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.status = errorTable[code].status;
    this.fields = options.fields;
    this.retryAfterS = options.retryAfterS;
  }
}

/** RFC 9457 body of an error. */
export function toProblem(
  error: Pick<SluiceError, 'code' | 'detail'> & Partial<Pick<SluiceError, 'fields'>>,
  requestId?: string,
): Problem {
  const row = errorTable[error.code];
  return {
    type: `urn:sluice:error:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: row.title,
    status: row.status,
    code: error.code,
    detail: error.detail,
    retryable: row.retryable,
    ...(requestId === undefined ? {} : { request_id: requestId }),
    ...(error.fields ? { errors: [...error.fields] } : {}),
  };
}

/** The text of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
