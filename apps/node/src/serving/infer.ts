/** One inference over HTTP: body in, job to the version's pool, outcome out, within the deadline. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sluiceHeaders } from '#contracts/oip';
import { sendError, sendOutcome } from './answers.js';
import { readBody } from './body.js';
import type { ServedVersion } from './model-table.js';
import { late } from './outcome.js';

/** How long a caller may go on sending a body that has been refused already. */
const lingerMs = 5_000;

/** Milliseconds that the request may take: what the gateway says is left, or the version's default. */
function timeoutOf(req: IncomingMessage, version: ServedVersion): number | undefined {
  const header = req.headers[sluiceHeaders.deadlineMs];
  if (header === undefined) return version.defaultTimeoutMs;
  return typeof header === 'string' && /^\d{1,9}$/.test(header) ? Number(header) : undefined;
}

/** Why a body of this form cannot be read here, or undefined. */
function unsupported(req: IncomingMessage): string | undefined {
  const encoding = req.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    return `Content-Encoding ${encoding} is not supported. Send the body uncompressed.`;
  return undefined;
}

export function handleInfer(
  req: IncomingMessage,
  res: ServerResponse,
  version: ServedVersion,
  maxBytes: number,
): void {
  const timeoutMs = timeoutOf(req, version);
  if (timeoutMs === undefined) {
    refuse(req, res, 'INVALID_REQUEST', `${sluiceHeaders.deadlineMs} must be a number of milliseconds.`);
    return;
  }
  const reason = unsupported(req);
  if (reason !== undefined) {
    refuse(req, res, 'UNSUPPORTED_MEDIA_TYPE', reason);
    return;
  }
  const startMs = performance.now();
  readBody(req, {
    maxBytes,
    onTooLarge: () => refuse(req, res, 'PAYLOAD_TOO_LARGE', `The body is larger than ${maxBytes} bytes.`),
    onBody: (chunks, bytes) => {
      const leftMs = timeoutMs - (performance.now() - startMs);
      const binary = binaryHeaderProblem(req, bytes);
      if (binary !== undefined) sendError(res, 'INVALID_REQUEST', binary);
      else if (leftMs <= 0) sendOutcome(res, late);
      else submit(res, version, chunks, leftMs);
    },
  });
}

/** A header length that covers the whole body announces plain JSON; stock C++ clients always send it. */
function binaryHeaderProblem(req: IncomingMessage, bytes: number): string | undefined {
  const length = req.headers['inference-header-content-length'];
  if (length === undefined || Number(length) === bytes) return undefined;
  return 'The binary tensor data extension is not supported. Send tensors as JSON.';
}

function submit(
  res: ServerResponse,
  version: ServedVersion,
  body: readonly Buffer[],
  timeoutMs: number,
): void {
  let isSettled = false;
  const ticket = version.pool.submit({
    body,
    timeoutMs,
    settle: (outcome) => {
      isSettled = true;
      sendOutcome(res, outcome);
    },
  });
  if (!isSettled)
    res.on('close', () => {
      if (!isSettled) ticket?.abandon();
    });
}

/** Bodies up to this are read to their end after a refusal, so that the connection can be used again. */
const drainedBytes = 65_536;

/** Answers before the body has been read; the rest of it is thrown away, for a while. */
export function refuse(
  req: IncomingMessage,
  res: ServerResponse,
  code: Parameters<typeof sendError>[1],
  message: string,
): void {
  const announced = Number(req.headers['content-length'] ?? 0);
  const isSmall = req.headers['transfer-encoding'] === undefined && announced <= drainedBytes;
  if (!isSmall) {
    res.shouldKeepAlive = false;
    const timer = setTimeout(() => req.destroy(), lingerMs);
    req.once('close', () => clearTimeout(timer));
  }
  sendError(res, code, message);
  req.resume();
}
