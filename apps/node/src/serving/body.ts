/** Reads a request body, bounded in size and time, into the chunks it came in. Nothing is copied or decoded. */
import type { IncomingMessage } from 'node:http';

export interface BodyReader {
  readonly maxBytes: number;
  readonly maxMs: number;
  readonly onBody: (chunks: readonly Buffer[], bytes: number) => void;
  readonly onTooLarge: () => void;
  readonly onLate: () => void;
  /** The caller hung up before the end. */
  readonly onGone?: () => void;
}

/** Calls one of them, once. */
export function readBody(req: IncomingMessage, reader: BodyReader): void {
  const { maxBytes, maxMs, onBody, onTooLarge, onLate, onGone } = reader;
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) {
    onTooLarge();
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isOver = false;
  const giveUp = (then: () => void): void => {
    isOver = true;
    clearTimeout(timer);
    chunks.length = 0;
    then();
  };
  const timer = setTimeout(() => giveUp(onLate), maxMs);
  req.on('data', (chunk: Buffer) => {
    if (isOver) return;
    bytes += chunk.length;
    if (bytes > maxBytes) giveUp(onTooLarge);
    else chunks.push(chunk);
  });
  req.on('end', () => {
    clearTimeout(timer);
    if (isOver) return;
    isOver = true;
    onBody(chunks, bytes);
  });
  req.on('close', () => {
    clearTimeout(timer);
    if (isOver) return;
    isOver = true;
    onGone?.();
  });
}
