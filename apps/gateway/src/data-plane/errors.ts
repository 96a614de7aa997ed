/** Errors of the inference paths: the protocol's own body, and the stable code in a header; problem+json for those who ask for it. */
import { codeHeader, errorTable } from '#contracts/errors';
import type { ErrorCode } from '#contracts/errors';
import { toProblem } from '#platform/errors';

/** Why a request is not served. A value, not an exception: refusing must stay cheap under a flood. */
export interface Refusal {
  readonly code: ErrorCode;
  /** For the caller: what happened and what to do. */
  readonly detail: string;
  /** More header fields, flat. */
  readonly headers: readonly string[];
  /** More members of a problem document (RFC 9457). */
  readonly problem?: Readonly<Record<string, unknown>>;
}

export const refusal = (code: ErrorCode, detail: string, headers: readonly string[] = []): Refusal => ({
  code,
  detail,
  headers,
});

export const isRefusal = (value: object): value is Refusal => 'code' in value && 'detail' in value;

/** Status, header fields (flat) and body of a refusal. @param asProblem as problem+json (RFC 9457), for a caller that accepts it */
export function writeRefusal(
  { code, detail, headers, problem }: Refusal,
  asProblem = false,
): {
  readonly status: number;
  readonly headers: string[];
  readonly body: Buffer;
} {
  const { status, retryable } = errorTable[code];
  const value = asProblem ? { ...toProblem({ code, detail }), ...problem } : { error: detail };
  const body = Buffer.from(JSON.stringify(value));
  const fields = [
    'content-type',
    asProblem ? 'application/problem+json' : 'application/json',
    'content-length',
    String(body.length),
    codeHeader,
    code,
  ];
  if (status === 503 && retryable) fields.push('retry-after', '1');
  return { status, headers: [...fields, ...headers], body };
}
