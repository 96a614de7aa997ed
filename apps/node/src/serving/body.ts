/** Reads a request body, bounded, into the chunks it came in. Nothing is copied or decoded. */
import type { IncomingMessage } from 'node:http';

export interface BodyReader {
  readonly maxBytes: number;
  readonly onBody: (chunks: readonly Buffer[], bytes: number) => void;
  readonly onTooLarge: () => void;
}

/** Calls one of the two, or neither when the caller hangs up before the end. */
export function readBody(req: IncomingMessage, { maxBytes, onBody, onTooLarge }: BodyReader): void {
  if (Number(req.headers['content-length'] ?? 0) > maxBytes) {
    onTooLarge();
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isOver = false;
  req.on('data', (chunk: Buffer) => {
    if (isOver) return;
    bytes += chunk.length;
    if (bytes <= maxBytes) {
      chunks.push(chunk);
      return;
    }
    isOver = true;
    chunks.length = 0;
    onTooLarge();
  });
  req.on('end', () => {
    if (!isOver) onBody(chunks, bytes);
  });
}
