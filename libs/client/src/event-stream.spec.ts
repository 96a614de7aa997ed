import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { readEvents } from './event-stream.js';

const stream =
  ': hello\n\nevent: snapshot\nid: 7\ndata: {"a":"é"}\n\n: ping\r\n\r\ndata: one\ndata: two\n\nid: 8\n\nevent: cut\ndata: off';

async function parse(bytes: Uint8Array, cuts: readonly number[]): Promise<unknown[]> {
  const edges = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
  async function* chunks() {
    for (let i = 1; i < edges.length; i++)
      yield await Promise.resolve(bytes.subarray(edges[i - 1], edges[i]));
  }
  const events: unknown[] = [];
  for await (const event of readEvents(chunks())) events.push(event);
  return events;
}

it('gives the same events wherever the bytes are cut', async () => {
  const bytes = new TextEncoder().encode(stream);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(1_000), { maxLength: 20 }), async (cuts) => {
      expect(await parse(bytes, cuts)).toEqual([
        undefined,
        { event: 'snapshot', id: '7', data: '{"a":"é"}' },
        undefined,
        { event: 'message', data: 'one\ntwo' },
        { event: 'message', id: '8', data: '' },
      ]);
    }),
  );
});
