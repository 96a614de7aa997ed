import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { readEvents, textOf } from './event-stream.js';

const stream =
  ': hello\n\nevent: snapshot\nid: 7\ndata: {"a":"é"}\n\n: ping\r\n\r\ndata: one\r\ndata:two\nodd: x\n\nid: 8\n\nevent: cut\ndata: off';

async function* chunksOf(pieces: readonly Uint8Array[]) {
  for (const piece of pieces) yield await Promise.resolve(piece);
}

async function parse(bytes: Uint8Array, cuts: readonly number[]): Promise<unknown[]> {
  const edges = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
  const chunks = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
  const events: unknown[] = [];
  for await (const event of readEvents(chunksOf(chunks)))
    events.push(event && { ...event, data: textOf(event.data) });
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

it('leaves a long line in the pieces in which it came', async () => {
  const chunks = ['da', 'ta: ', '0123456789', 'abcdefghij', '\n\n'].map((text) =>
    new TextEncoder().encode(text),
  );
  const data: string[][] = [];
  for await (const event of readEvents(chunksOf(chunks)))
    data.push((event?.data ?? []).map((piece) => textOf([piece])));
  expect(data).toEqual([['0123456789', 'abcdefghij']]);
});
