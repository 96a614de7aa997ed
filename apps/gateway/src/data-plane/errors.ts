/** Errors of the inference paths: the protocol's own body, and the stable code in a header. */
import { codeHeader, errorTable } from '#contracts/errors';
import type { ErrorCode } from '#contracts/errors';

/** Why a request is not served. A value, not an exception: refusing must stay cheap under a flood. */
export interface Refusal {
  readonly code: ErrorCode;
  /** For the caller: what happened and what to do. */
  readonly detail: string;
  /** More header fields, flat. */
  readonly headers: readonly string[];
}

export const refusal = (code: ErrorCode, detail: string, headers: readonly string[] = []): Refusal => ({
  code,
  detail,
  headers,
});

export const isRefusal = (value: object): value is Refusal => 'code' in value && 'detail' in value;

/** Status, header fields (flat) and body of a refusal. */
export function writeRefusal({ code, detail, headers }: Refusal): {
  readonly status: number;
  readonly headers: string[];
  readonly body: Buffer;
} {
  const row = errorTable[code];
  const body = Buffer.from(JSON.stringify({ error: detail }));
  const fields = [
    'content-type',
    'application/json',
    'content-length',
    String(body.length),
    codeHeader,
    code,
  ];
  if (row.status === 503 && row.retryable) fields.push('retry-after', '1');
  return { status: row.status, headers: [...fields, ...headers], body };
}
