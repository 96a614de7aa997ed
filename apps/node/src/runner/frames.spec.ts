import { PassThrough } from 'node:stream';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, FrameWriter } from './frames.js';

const frameArbitrary = fc.record({
  id: fc.nat({ max: 0xffff_ffff }),
  kind: fc.nat({ max: 255 }),
  parts: fc.array(
    fc
      .oneof(fc.uint8Array({ maxLength: 20 }), fc.constant(new Uint8Array(40_000).fill(7)))
      .map((bytes) => Buffer.from(bytes)),
    { maxLength: 3 },
  ),
});

function written(frames: readonly { id: number; kind: number; parts: readonly Buffer[] }[]): Buffer {
  const stream = new PassThrough({ highWaterMark: 10_000_000 });
  const writer = new FrameWriter(stream);
  for (const { id, kind, parts } of frames) writer.send(id, kind, ...parts);
  writer.flush();
  return (stream.read() as Buffer | null) ?? Buffer.alloc(0);
}

describe('frames', () => {
  it('arrive as they were sent, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(frameArbitrary, { maxLength: 6 }),
        fc.array(fc.nat({ max: 50_000 })),
        (frames, sizes) => {
          const bytes = written(frames);
          const reader = new FrameReader();
          const arrived: { id: number; kind: number; body: string }[] = [];
          let offset = 0;
          for (const size of [...sizes, bytes.length]) {
            const chunk = bytes.subarray(offset, offset + size);
            offset += chunk.length;
            reader.push(chunk, ({ id, kind, payload }) =>
              arrived.push({ id, kind, body: payload.toString('hex') }),
            );
          }
          expect(arrived).toEqual(
            frames.map(({ id, kind, parts }) => ({ id, kind, body: Buffer.concat(parts).toString('hex') })),
          );
        },
      ),
    );
  });

  it('refuse a length that no peer sends', () => {
    const absurd = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0]);
    expect(() => new FrameReader().push(absurd, () => undefined)).toThrow(RangeError);
    expect(() => new FrameReader().push(Buffer.from([1, 0, 0, 0, 0]), () => undefined)).toThrow(RangeError);
  });

  it('of one event-loop turn are one write', async () => {
    const stream = new PassThrough();
    const writes: number[] = [];
    stream.on('data', (chunk: Buffer) => writes.push(chunk.length));
    const writer = new FrameWriter(stream);
    writer.send(1, 1, Buffer.from('a'));
    writer.send(2, 1, Buffer.from('b'));
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes).toEqual([20]);
  });
});
