import { buffer } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PieceCutter } from './cut-pieces.js';

async function* stream(chunks: readonly Uint8Array[], failure?: Error): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
  if (failure) throw failure;
}

async function cutAll(cutter: PieceCutter): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  while (await cutter.hasMore()) pieces.push(await buffer(cutter.next()));
  return pieces;
}

describe('PieceCutter', () => {
  it('cuts any stream into full pieces and a rest, losing nothing, also when it breaks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 30 }),
        fc.boolean(),
        async (chunks, pieceBytes, breaks) => {
          const failure = breaks ? new Error('the line went dead') : undefined;
          const cutter = new PieceCutter(stream(chunks, failure), pieceBytes);
          const pieces = await cutAll(cutter);
          expect(Buffer.concat(pieces)).toEqual(Buffer.concat(chunks));
          for (const piece of pieces.slice(0, -1)) expect(piece).toHaveLength(pieceBytes);
          expect(pieces.at(-1)?.length ?? 1).toBeGreaterThan(0);
          expect(cutter.error).toBe(failure);
        },
      ),
    );
  });
});
