/** The lane of node:http: takes every request that HTTP/1.1 allows, with bodies of any size and framing. */
import type { IncomingMessage } from 'node:http';
import type { Body, BodyLimits, StreamedBody } from './body.js';
import { BodyTooLargeError } from './body.js';
import { announcedLength } from './caller.js';
import type { CallerHeaders, CallerRequest } from './caller.js';

/** How long a caller may go on sending after its answer: long enough that the answer is not lost in a reset (RFC 9112 §9.6). */
export const lingerMs = 1_000;

/** Reads on what the caller still sends, for a moment; then the connection goes. */
export function readAway(message: IncomingMessage): void {
  if (message.complete || message.destroyed) return;
  const timer = setTimeout(() => message.destroy(), lingerMs);
  message.once('close', () => clearTimeout(timer));
  message.resume();
}

function streamed(message: IncomingMessage, head: readonly Buffer[], maxBytes: number): StreamedBody {
  const counted = (chunk: Buffer): Buffer => {
    body.size += chunk.length;
    if (body.size > maxBytes) throw new BodyTooLargeError(`The body is larger than ${maxBytes} bytes`);
    return chunk;
  };
  const body: StreamedBody = {
    kind: 'streamed',
    contentLength: message.headers['content-length'],
    taken: false,
    size: 0,
    async *chunks() {
      body.taken = true;
      for (const chunk of head) yield counted(chunk);
      const rest = message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      for await (const chunk of rest) yield counted(chunk);
    },
  };
  return body;
}

function readBody(message: IncomingMessage, limits: BodyLimits, then: (body: Body) => void): void {
  const length = announcedLength(message);
  if (length === 0) return then({ kind: 'held', bytes: undefined });
  if (length !== undefined && length > limits.holdBytes)
    return then(streamed(message, [], limits.maxBodyBytes));
  const chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    size += chunk.length;
    if (size <= limits.holdBytes) return;
    message.off('data', onData).off('end', onEnd).pause();
    then(streamed(message, chunks, limits.maxBodyBytes));
  };
  const onEnd = (): void => {
    then({ kind: 'held', bytes: chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size) });
  };
  message.on('data', onData).on('end', onEnd);
}

/** A request as node:http parsed it. */
export class HttpRequest implements CallerRequest {
  constructor(
    private readonly message: IncomingMessage,
    readonly expectsContinue: boolean,
  ) {}

  get method(): string | undefined {
    return this.message.method;
  }

  get headers(): CallerHeaders {
    return this.message.headers;
  }

  get complete(): boolean {
    return this.message.complete;
  }

  readBody(limits: BodyLimits, then: (body: Body) => void): void {
    readBody(this.message, limits, then);
  }

  readAway(then?: () => void): void {
    if (then) this.message.once('end', then);
    readAway(this.message);
  }
}
