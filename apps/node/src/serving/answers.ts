/** The forms of an answer: JSON, the protocols' common error body, an inference result. */
import type { ServerResponse } from 'node:http';
import { codeHeader, errorTable } from '#contracts/errors';
import type { ErrorCode } from '#contracts/errors';
import { sluiceHeaders } from '#contracts/oip';
import { answerEncoding, compressBody } from './compression.js';
import type { Outcome, Result } from './outcome.js';

/** JSON bytes in front of binary tensors; absent: all of it is JSON. */
export const headerLengthHeader = 'inference-header-content-length';

const jsonMedia = 'application/json';
const binaryMedia = 'application/octet-stream';
/** Bodies below this gain nothing by compression. */
const leastCompressedBytes = 1_024;
/** Bodies up to this are sent as one string with their headers: one cheap write instead of a gathered one. */
const joinedBytes = 16_384;

function write(res: ServerResponse, status: number, body: Buffer, headers: string[]): void {
  headers.push('content-length', String(body.length));
  res.writeHead(status, headers);
  // Latin-1 maps each byte to one character and back.
  if (body.length <= joinedBytes) res.end(body.toString('latin1'), 'latin1');
  else res.end(body);
}

export function sendJson(res: ServerResponse, body: object): void {
  write(res, 200, Buffer.from(JSON.stringify(body)), ['content-type', jsonMedia]);
}

/** `{"error": message}` with the stable code beside it. */
export function sendError(
  res: ServerResponse,
  code: ErrorCode,
  message: string,
  headers: readonly string[] = [],
  retryAfterS = 1,
): void {
  if (res.headersSent || res.destroyed) return;
  const { status } = errorTable[code];
  const retry = status === 503 ? ['retry-after', String(retryAfterS)] : [];
  const body = Buffer.from(JSON.stringify({ error: message }));
  write(res, status, body, ['content-type', jsonMedia, codeHeader, code, ...retry, ...headers]);
}

/**
 * @param accepted the caller's Accept-Encoding
 * @param load how many other requests the version has now
 */
export function sendOutcome(
  res: ServerResponse,
  outcome: Outcome,
  accepted: string | undefined,
  load: number,
): void {
  const hint = [sluiceHeaders.load, String(load)];
  if (outcome.kind === 'failure') {
    sendError(res, outcome.code, outcome.message, hint, outcome.retryAfterS);
    return;
  }
  const encoding = outcome.body.length < leastCompressedBytes ? undefined : answerEncoding(accepted);
  if (encoding === undefined) sendResult(res, outcome, outcome.body, hint);
  else
    compressBody(encoding, outcome.body, (body) => {
      const headers = body ? ['content-encoding', encoding] : [];
      sendResult(res, outcome, body ?? outcome.body, ['vary', 'accept-encoding', ...headers, ...hint]);
    });
}

function sendResult(
  res: ServerResponse,
  { headerLength, timing }: Result,
  body: Buffer,
  headers: string[],
): void {
  if (res.destroyed) return;
  const batchUs = timing.inputUs + timing.inferUs + timing.outputUs;
  const { queueUs, items, computeUs } = timing;
  const times = [queueUs, batchUs, items, computeUs].map(Math.round);
  headers.push(sluiceHeaders.timing, times.join(','));
  if (headerLength === undefined) headers.push('content-type', jsonMedia);
  else headers.push('content-type', binaryMedia, headerLengthHeader, String(headerLength));
  write(res, 200, body, headers);
}
