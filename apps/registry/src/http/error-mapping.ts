/**
 * Turns anything thrown on a request's way into a SluiceError. What is not known becomes INTERNAL: its text may hold
 * anything, so none of it may reach the caller.
 */
import type { ErrorCode } from '#contracts/errors';
import { SluiceError } from '#platform/errors';
import { HttpException } from '@nestjs/common';
import { violatedConstraint } from './violations.js';

interface Explanation {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** What the HTTP layers (Fastify, Nest, multipart) refuse, by status. */
const byStatus: Readonly<Record<number, Explanation>> = {
  400: { code: 'INVALID_REQUEST', detail: 'The request is malformed.' },
  404: { code: 'NOT_FOUND', detail: 'There is nothing at this address.' },
  405: { code: 'METHOD_NOT_ALLOWED', detail: 'This address does not know the method.' },
  406: { code: 'UNSUPPORTED_MEDIA_TYPE', detail: 'The content type is not supported here.' },
  408: { code: 'REQUEST_TIMEOUT', detail: 'The request did not arrive in time.' },
  413: { code: 'PAYLOAD_TOO_LARGE', detail: 'The body is larger than this address takes.' },
  414: { code: 'INVALID_REQUEST', detail: 'A part of the path is too long.' },
  415: { code: 'UNSUPPORTED_MEDIA_TYPE', detail: 'The content type is not supported here.' },
  416: { code: 'RANGE_NOT_SATISFIABLE', detail: 'The range lies outside the file.' },
  431: { code: 'HEADERS_TOO_LARGE', detail: 'The request headers are too large.' },
};

/** @param exception anything; the result keeps it as its cause */
export function toSluiceError(exception: unknown): SluiceError {
  if (exception instanceof SluiceError) return exception;
  if (isDatabaseUnavailable(exception)) {
    const detail = 'The database does not answer now. Try again in a moment.';
    return new SluiceError('DATABASE_UNAVAILABLE', detail, { cause: exception, retryAfterS: 1 });
  }
  if (isUnstorableText(exception)) {
    const detail = 'A text holds a zero byte, which cannot be stored.';
    return new SluiceError('INVALID_REQUEST', detail, { cause: exception });
  }
  if (violatedConstraint(exception)?.endsWith('_artifact_fkey')) {
    const detail = 'The upload took so long that its bytes are kept no more. Send it again.';
    return new SluiceError('UPLOAD_EXPIRED', detail, { cause: exception });
  }
  const status = statusOf(exception);
  const known = status === undefined ? undefined : byStatus[status];
  if (known) return new SluiceError(known.code, known.detail, { cause: exception });
  const detail = 'Something failed inside Sluice. The log has it under this request id.';
  return new SluiceError('INTERNAL', detail, { cause: exception });
}

function statusOf(exception: unknown): number | undefined {
  if (exception instanceof HttpException) return exception.getStatus();
  const isFastify = textOf(exception, 'code').startsWith('FST_');
  const status: unknown = isFastify ? Reflect.get(exception as object, 'statusCode') : undefined;
  return typeof status === 'number' ? status : undefined;
}

const networkCodes =
  /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH)$/;
/**
 * SQLSTATE: connection failure or refusal, too many connections, server shutting down or starting, idle transaction ended;
 * deadlock, lock or statement time-out.
 */
const sqlStates = /^(08...|53300|57P0[1-5]|25P03|3D000|28P01|40001|40P01|55P03|57014)$/;
/** node-postgres has no codes for these. */
const poolMessages =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Driver not Connected)/;

/** Whether the database could not do its work now, as opposed to having refused a statement for good. */
export function isDatabaseUnavailable(exception: unknown): boolean {
  if (!(exception instanceof Error)) return false;
  const code = textOf(exception, 'code');
  if (sqlStates.test(code) || poolMessages.test(exception.message)) return true;
  const isSystemError = networkCodes.test(code) && textOf(exception, 'syscall') !== '';
  return isSystemError || isDatabaseUnavailable(Reflect.get(exception, 'driverError'));
}

/** SQLSTATE of a NUL in text or jsonb: PostgreSQL has no way to hold it. */
const isUnstorableText = (exception: unknown): boolean =>
  exception instanceof Error && /^(22021|22P05)$/.test(textOf(exception, 'code'));

function textOf(value: unknown, key: string): string {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return typeof found === 'string' ? found : '';
}
