/**
 * One inference over HTTP, whatever its protocol: body in, job to the version's pool, outcome out, within the deadline.
 * What the bytes of a body mean is the runner's business.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sluiceHeaders } from '#contracts/oip';
import type { Protocol } from '#inference/codec';
import { headerLengthHeader, sendError, sendOutcome } from './answers.js';
import { readBody } from './body.js';
import { acceptedEncodings, contentEncoding, inflateBody } from './compression.js';
import type { Encoding } from './compression.js';
import type { FrontContext } from './front-context.js';
import type { ServedVersion } from './model-table.js';
import { late } from './outcome.js';
import type { Outcome } from './outcome.js';
import { refuse, refuseLate } from './refuse.js';

/** A request that has been found fit to be read. */
interface Call {
  readonly context: FrontContext;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly version: ServedVersion;
  readonly protocol: Protocol;
  readonly headerLength: number | undefined;
  readonly startMs: number;
  readonly timeoutMs: number;
}

/** Milliseconds that the request may take: what the gateway says is left, or the version's default. */
function timeoutOf(req: IncomingMessage, version: ServedVersion): number | undefined {
  const header = req.headers[sluiceHeaders.deadlineMs];
  if (header === undefined) return version.defaultTimeoutMs;
  return typeof header === 'string' && /^\d{1,9}$/.test(header) ? Number(header) : undefined;
}

/** The size of the JSON in front of binary tensors; NaN when the header says nothing sensible. */
function headerLengthOf(req: IncomingMessage, protocol: Protocol): number | undefined {
  const header = protocol === 'oip' ? req.headers[headerLengthHeader] : undefined;
  if (header === undefined) return undefined;
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : Number.NaN;
}

export function handleInfer(
  context: FrontContext,
  req: IncomingMessage,
  res: ServerResponse,
  version: ServedVersion,
  protocol: Protocol,
): void {
  const timeoutMs = timeoutOf(req, version);
  const headerLength = headerLengthOf(req, protocol);
  const encoding = contentEncoding(req.headers['content-encoding']);
  if (timeoutMs === undefined)
    refuse(req, res, 'INVALID_REQUEST', `${sluiceHeaders.deadlineMs} must be a number of milliseconds.`);
  else if (Number.isNaN(headerLength))
    refuse(req, res, 'INVALID_REQUEST', 'Inference-Header-Content-Length must be a number of bytes.');
  else if (encoding === undefined) refuseEncoding(req, res);
  else {
    const startMs = performance.now();
    receive({ context, req, res, version, protocol, headerLength, startMs, timeoutMs }, encoding);
  }
}

function refuseEncoding(req: IncomingMessage, res: ServerResponse): void {
  res.setHeader('accept-encoding', acceptedEncodings);
  const what = `Content-Encoding ${req.headers['content-encoding']} is not supported.`;
  refuse(req, res, 'UNSUPPORTED_MEDIA_TYPE', `${what} Send the body in gzip or deflate, or as it is.`);
}

function receive(call: Call, encoding: Encoding | 'identity'): void {
  const { context, req, res, timeoutMs } = call;
  const { maxBodyBytes, bodyTimeoutMs } = context.limits;
  readBody(req, {
    maxBytes: maxBodyBytes,
    maxMs: Math.min(bodyTimeoutMs, timeoutMs),
    onTooLarge: () => refuse(req, res, 'PAYLOAD_TOO_LARGE', `The body is larger than ${maxBodyBytes} bytes.`),
    onLate: () => refuseLate(req, res),
    onBody: (chunks, bytes) => {
      if (encoding === 'identity') submit(call, chunks, bytes);
      else decompress(call, encoding, chunks);
    },
  });
}

function decompress(call: Call, encoding: Encoding, chunks: readonly Buffer[]): void {
  const { maxInflatedBytes } = call.context.limits;
  inflateBody(encoding, chunks, maxInflatedBytes, (result) => {
    const { res } = call;
    if (res.destroyed) return;
    if (result.kind === 'body') submit(call, [result.body], result.body.length);
    else if (result.kind === 'broken')
      sendError(res, 'INVALID_REQUEST', `The body is not valid ${encoding}.`);
    else sendError(res, 'PAYLOAD_TOO_LARGE', `The body inflates to more than ${maxInflatedBytes} bytes.`);
  });
}

function submit(call: Call, body: readonly Buffer[], bytes: number): void {
  const { context, req, res, version, protocol, headerLength, startMs } = call;
  const statistics = context.statistics.of(version.model, version.version);
  const finish = (outcome: Outcome): void => {
    statistics.add(outcome, (performance.now() - startMs) * 1_000, Date.now());
    sendOutcome(res, outcome, req.headers['accept-encoding']);
  };
  const timeoutMs = call.timeoutMs - (performance.now() - startMs);
  if (headerLength !== undefined && headerLength > bytes) {
    const what = `Inference-Header-Content-Length is ${headerLength}, and the body has ${bytes} bytes.`;
    sendError(res, 'INVALID_REQUEST', what);
    return;
  }
  if (timeoutMs <= 0) {
    finish(late);
    return;
  }
  let isSettled = false;
  const settle = (outcome: Outcome): void => {
    isSettled = true;
    finish(outcome);
  };
  const ticket = version.pool.submit({ body, protocol, headerLength, timeoutMs, settle });
  if (!isSettled)
    res.on('close', () => {
      if (!isSettled) ticket?.abandon();
    });
}
