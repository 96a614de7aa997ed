/** The forms of an answer: JSON, the protocol's error body, an inference result. */
import type { ServerResponse } from 'node:http';
import { codeHeader, errorTable } from '#contracts/errors';
import type { ErrorCode } from '#contracts/errors';
import type { Outcome } from './outcome.js';

const jsonMedia = 'application/json';

function write(res: ServerResponse, status: number, body: Buffer, headers: string[]): void {
  headers.push('content-type', jsonMedia, 'content-length', String(body.length));
  res.writeHead(status, headers);
  res.end(body);
}

export function sendJson(res: ServerResponse, body: object): void {
  write(res, 200, Buffer.from(JSON.stringify(body)), []);
}

/** `{"error": message}` with the stable code beside it. */
export function sendError(
  res: ServerResponse,
  code: ErrorCode,
  message: string,
  headers: readonly string[] = [],
): void {
  if (res.headersSent || res.destroyed) return;
  const { status } = errorTable[code];
  const retry = status === 503 ? ['retry-after', '1'] : [];
  const body = Buffer.from(JSON.stringify({ error: message }));
  write(res, status, body, [codeHeader, code, ...retry, ...headers]);
}

export function sendOutcome(res: ServerResponse, outcome: Outcome): void {
  if (outcome.kind === 'failure') sendError(res, outcome.code, outcome.message);
  else if (!res.destroyed) write(res, 200, outcome.body, []);
}
