/**
 * The body of an upload as a stream that may fail without taking the connection with it, so that the caller still
 * gets an answer. A dropped or silent connection ends it with an error, never as if it were complete.
 */
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';
import { SluiceError } from '#platform/errors';

export interface BodyTimes {
  /** A connection that carries nothing for so long is given up. */
  readonly idleTimeoutMs: number;
  /** How long a refused caller may go on sending before the connection is cut. */
  readonly lingerMs: number;
}

const defaultTimes: BodyTimes = { idleTimeoutMs: 120_000, lingerMs: 10_000 };

/** Starts to read `request`. Destroy the stream when it is not needed to its end: what still comes is thrown away. */
export function openBody(request: IncomingMessage, times: BodyTimes = defaultTimes): Readable {
  const body = new PassThrough({ highWaterMark: 256 * 1_024 });
  // Whoever has stopped reading has its reason already; this error is then one too many.
  body.on('error', () => undefined);
  request.setTimeout(times.idleTimeoutMs, () => body.destroy(idle()));
  request.once('error', (cause) => body.destroy(incomplete(cause)));
  request.once('close', () => {
    if (!request.complete) body.destroy(incomplete(undefined));
  });
  body.once('close', () => {
    request.setTimeout(0);
    request.unpipe(body);
    if (!request.complete) discardRest(request, times.lingerMs);
  });
  request.pipe(body);
  return body;
}

/** Closing at once would reset the connection, and the caller would lose the answer (RFC 9112 §9.6). */
function discardRest(request: IncomingMessage, lingerMs: number): void {
  request.resume();
  const cut = setTimeout(() => request.destroy(), lingerMs).unref();
  request.once('close', () => clearTimeout(cut));
}

/** @throws SluiceError PAYLOAD_TOO_LARGE when the announced length is more than `maxBytes` already */
export function refuseAnnouncedLength(request: IncomingMessage, maxBytes: number): void {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced <= maxBytes) return;
  throw new SluiceError(
    'PAYLOAD_TOO_LARGE',
    `The upload has ${announced} bytes; this registry takes ${maxBytes}.`,
  );
}

const incomplete = (cause: unknown): SluiceError =>
  new SluiceError(
    'UPLOAD_INCOMPLETE',
    'The connection broke before the upload was complete. Send it again.',
    { cause },
  );
const idle = (): SluiceError =>
  new SluiceError('REQUEST_TIMEOUT', 'Nothing arrived for too long. Send the upload again.');
