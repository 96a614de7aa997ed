import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMultipart } from './multipart.js';

const boundary = 'XX';
const contentType = `multipart/form-data; boundary=${boundary}`;

const encode = (files: readonly Uint8Array[]): Buffer =>
  Buffer.concat([
    ...files.flatMap((bytes, index) => [
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="f"; filename="f${index}"\r\n\r\n`),
      bytes,
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);

function chunksOf(body: Buffer, places: readonly number[]): Buffer[] {
  const edges = [0, ...places.map((place) => place % body.length).toSorted((a, b) => a - b), body.length];
  return edges.slice(1).map((edge, index) => body.subarray(edges[index], edge));
}

/** Bytes that look like line ends and the beginnings of boundaries. */
const tricky = fc
  .array(fc.constantFrom('\r', '\n', '\r\n', '-', '--', '--X', '\r\n--X', 'X', '\0', 'data'), {
    maxLength: 60,
  })
  .map((pieces) => Buffer.from(pieces.join('').replaceAll(`\r\n--${boundary}`, '')))
  // A part that begins with the boundary would be a boundary: the line end before it belongs to the header.
  .filter(
    (bytes) =>
      !bytes.includes(`\r\n--${boundary}`) && !bytes.subarray(0, 4).equals(Buffer.from(`--${boundary}`)),
  );

describe('readMultipart', () => {
  it('gives every file its bytes, however the body is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(tricky, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        async (files, places) => {
          const taken: Buffer[] = [];
          const body = Readable.from(chunksOf(encode(files), places), { objectMode: false });
          const onFile = async (_path: string, content: Readable) => void taken.push(await buffer(content));
          await readMultipart(body, { contentType, onFile });
          expect(taken.map((bytes) => bytes.toString('latin1'))).toEqual(
            files.map((bytes) => bytes.toString('latin1')),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('never takes a body for complete that is not', async () => {
    const whole = encode([Buffer.from('some bytes'), Buffer.from('others')]);
    const onFile = async (_path: string, content: Readable) => void (await buffer(content));
    // The last line end belongs to nothing.
    for (let length = 1; length < whole.length - 2; length += 1) {
      const body = Readable.from([whole.subarray(0, length)], { objectMode: false });
      await expect(readMultipart(body, { contentType, onFile })).rejects.toMatchObject({
        code: 'UPLOAD_INCOMPLETE',
      });
    }
  });

  it('fails with what a file failed with', async () => {
    const body = Readable.from([encode([Buffer.alloc(500_000), Buffer.from('x')])], { objectMode: false });
    const onFile = () => Promise.reject(new Error('the disk is full'));
    await expect(readMultipart(body, { contentType, onFile })).rejects.toThrow('the disk is full');
  });
});
