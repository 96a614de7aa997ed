/**
 * One inference over HTTP, whatever its protocol: body in, job to the version's pool, outcome out, within the deadline.
 * What the bytes of a body mean is the runner's business.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorCode } from '#contracts/errors';
import { sluiceHeaders } from '#contracts/oip';
import type { Protocol } from '#inference/codec';
import { headerLengthHeader, sendError, sendOutcome } from './answers.js';
import { readBody } from './body.js';
import { acceptedEncodings, contentEncoding, inflateBody } from './compression.js';
import type { Encoding } from './compression.js';
import type { FrontContext } from './front-context.js';
import type { ServedVersion } from './model-table.js';
import { late } from './outcome.js';
import type { Failure, Outcome } from './outcome.js';
import { refuse, refuseLate } from './refuse.js';
import { namesOf, requestIdOf } from './request-names.js';
import { noteSpan } from './span.js';

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

/** Counts a request that ended before a runner had it, or without its caller. */
function countFailure({ context, version, startMs }: Call): void {
  context.statistics.of(version.model, version.version).addFailure((performance.now() - startMs) * 1_000);
}

/** Answers a request whose body has not been read. */
function turnAway(call: Call, code: ErrorCode, message: string): void {
  countFailure(call);
  refuse(call.req, call.res, code, message);
}

/** Answers a request whose body has been read. */
function fail(call: Call, code: ErrorCode, message: string): void {
  countFailure(call);
  sendError(call.res, code, message);
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
  const startMs = performance.now();
  const call: Call = {
    context,
    req,
    res,
    version,
    protocol,
    headerLength,
    startMs,
    timeoutMs: timeoutMs ?? 0,
  };
  if (timeoutMs === undefined)
    turnAway(call, 'INVALID_REQUEST', `${sluiceHeaders.deadlineMs} must be a number of milliseconds.`);
  else if (Number.isNaN(headerLength))
    turnAway(call, 'INVALID_REQUEST', 'Inference-Header-Content-Length must be a number of bytes.');
  else if (encoding === undefined) refuseEncoding(call);
  else receive(call, encoding);
}

function refuseEncoding(call: Call): void {
  call.res.setHeader('accept-encoding', acceptedEncodings);
  const what = `Content-Encoding ${call.req.headers['content-encoding']} is not supported.`;
  turnAway(call, 'UNSUPPORTED_MEDIA_TYPE', `${what} Send the body in gzip or deflate, or as it is.`);
}

function receive(call: Call, encoding: Encoding | 'identity'): void {
  const { context, req, res, timeoutMs } = call;
  const { maxBodyBytes, bodyTimeoutMs } = context.limits;
  readBody(req, {
    maxBytes: maxBodyBytes,
    maxMs: Math.min(bodyTimeoutMs, timeoutMs),
    onTooLarge: () => turnAway(call, 'PAYLOAD_TOO_LARGE', `The body is larger than ${maxBodyBytes} bytes.`),
    onLate: () => {
      countFailure(call);
      refuseLate(req, res);
    },
    onGone: () => countFailure(call),
    onBody: (chunks, bytes) => {
      if (encoding === 'identity') submit(call, chunks, bytes);
      else decompress(call, encoding, chunks);
    },
  });
}

function decompress(call: Call, encoding: Encoding, chunks: readonly Buffer[]): void {
  const { maxInflatedBytes } = call.context.limits;
  inflateBody(encoding, chunks, maxInflatedBytes, (result) => {
    if (call.res.destroyed) countFailure(call);
    else if (result.kind === 'body') submit(call, [result.body], result.body.length);
    else if (result.kind === 'broken') fail(call, 'INVALID_REQUEST', `The body is not valid ${encoding}.`);
    else fail(call, 'PAYLOAD_TOO_LARGE', `The body inflates to more than ${maxInflatedBytes} bytes.`);
  });
}

/** Tells of what failed inside. A refusal is the caller's to see, and under overload there would be too many. */
function noteFailure({ context, req, version }: Call, { code, message }: Failure): void {
  if (!code.startsWith('RUNNER_')) return;
  const { model, version: number } = version;
  context.logger.warn({ ...namesOf(req), model, version: number, code, reason: message }, 'inference failed');
}

function submit(call: Call, body: readonly Buffer[], bytes: number): void {
  const { context, req, res, version, protocol, headerLength, startMs } = call;
  if (headerLength !== undefined && headerLength > bytes) {
    const what = `Inference-Header-Content-Length is ${headerLength}, and the body has ${bytes} bytes.`;
    fail(call, 'INVALID_REQUEST', what);
    return;
  }
  const statistics = context.statistics.of(version.model, version.version);
  let isSettled = false;
  const settle = (outcome: Outcome): void => {
    isSettled = true;
    statistics.add(outcome, (performance.now() - startMs) * 1_000, Date.now());
    if (outcome.kind === 'failure') noteFailure(call, outcome);
    if (context.spans) noteSpan(context.spans, req, version, startMs, outcome);
    sendOutcome(res, outcome, req.headers['accept-encoding'], version.pool.inFlight);
  };
  const timeoutMs = call.timeoutMs - (performance.now() - startMs);
  if (timeoutMs <= 0) {
    settle(late);
    return;
  }
  const requestId = requestIdOf(req);
  const ticket = version.pool.submit({ requestId, body, protocol, headerLength, timeoutMs, settle });
  if (!isSettled)
    res.on('close', () => {
      if (isSettled) return;
      countFailure(call);
      ticket?.abandon();
    });
}
