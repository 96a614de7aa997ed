/**
 * The caller's body, as bytes. Small ones are held whole, so that they can be sent a second time; larger ones stream. Nothing
 * here looks into a body.
 */
import type { IncomingMessage } from 'node:http';

/** Held: may be sent again. `bytes` is undefined when there is no body. */
export interface HeldBody {
  readonly kind: 'held';
  readonly bytes: Buffer | undefined;
}

/** Streamed: can be sent once, and again only while nothing of it was taken. */
export interface StreamedBody {
  readonly kind: 'streamed';
  /** As the caller framed it; undefined for a chunked body. */
  readonly contentLength: string | undefined;
  taken: boolean;
  /** Bytes that went by. */
  size: number;
  chunks(): AsyncGenerator<Buffer, void, undefined>;
}

export type Body = HeldBody | StreamedBody;

/** How much of the body there was, as far as it is known. */
export const sizeOf = (body: Body | undefined): number =>
  body === undefined ? 0 : body.kind === 'held' ? (body.bytes?.length ?? 0) : body.size;

/** A chunked body grew beyond the limit while it streamed. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError';
}

export const hasBody = (req: IncomingMessage): boolean =>
  req.headers['transfer-encoding'] !== undefined || (req.headers['content-length'] ?? '0') !== '0';

/** The announced length; undefined for a chunked body. */
export function announcedLength(req: IncomingMessage): number | undefined {
  const text = req.headers['content-length'];
  if (text !== undefined) return Number(text);
  return req.headers['transfer-encoding'] === undefined ? 0 : undefined;
}

function streamed(req: IncomingMessage, head: readonly Buffer[], maxBytes: number): StreamedBody {
  const body: StreamedBody = {
    kind: 'streamed',
    contentLength: req.headers['content-length'],
    taken: false,
    size: 0,
    async *chunks() {
      body.taken = true;
      for (const chunk of head) {
        body.size += chunk.length;
        yield chunk;
      }
      for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        body.size += chunk.length;
        if (body.size > maxBytes) throw new BodyTooLargeError(`The body is larger than ${maxBytes} bytes`);
        yield chunk;
      }
    },
  };
  return body;
}

/** Gives the body to `then` as soon as it is known which kind it is. Never calls it when the caller goes away first. */
export function readBody(
  req: IncomingMessage,
  limits: { readonly holdBytes: number; readonly maxBodyBytes: number },
  then: (body: Body) => void,
): void {
  const length = announcedLength(req);
  if (length === 0) return then({ kind: 'held', bytes: undefined });
  if (length !== undefined && length > limits.holdBytes) return then(streamed(req, [], limits.maxBodyBytes));
  const chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    size += chunk.length;
    if (size <= limits.holdBytes) return;
    req.off('data', onData).off('end', onEnd).pause();
    then(streamed(req, chunks, limits.maxBodyBytes));
  };
  const onEnd = (): void => {
    then({ kind: 'held', bytes: chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size) });
  };
  req.on('data', onData).on('end', onEnd);
}
