import { once } from 'node:events';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { EventStream } from './event-stream.js';
import type { PublishedSnapshot } from './snapshot-feed.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A real connection whose reader decides when it reads. */
async function open(): Promise<{ response: ServerResponse; reader: Socket; text: () => string }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let received = '';
  reader.setEncoding('utf8');
  reader.on('data', (chunk: string) => {
    received += chunk;
  });
  reader.on('error', () => undefined);
  reader.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  closers.push(() => {
    reader.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { response, reader, text: () => received };
}

const big = (revision: number): PublishedSnapshot => ({
  revision,
  json: JSON.stringify('x'.repeat(1_000_000)),
});
const idsIn = (text: string): number[] =>
  [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));

it('sends each revision once and never an older one', async () => {
  const { response, text } = await open();
  const stream = new EventStream(response, { pingEveryMs: 60_000, stallTimeoutMs: 60_000 });
  for (const revision of [1, 2, 2, 1, 3]) stream.send({ revision, json: `{"revision":${revision}}` });
  await vi.waitUntil(() => text().includes('id: 3'));
  expect(idsIn(text())).toEqual([1, 2, 3]);
  expect(text()).toContain('event: snapshot\nid: 3\ndata: {"revision":3}\n\n');
});

it('holds only the newest for a reader that is slow', async () => {
  const { response, reader, text } = await open();
  const stream = new EventStream(response, { pingEveryMs: 60_000, stallTimeoutMs: 60_000 });
  reader.pause();
  for (let revision = 1; revision <= 100; revision += 1) stream.send(big(revision));
  expect(response.writableLength).toBeLessThan(10_000_000);
  reader.resume();
  await vi.waitUntil(() => text().includes('id: 100'), { timeout: 5_000 });
  expect(idsIn(text()).length).toBeLessThan(20);
});

it('cuts off a reader that takes nothing for long', async () => {
  const { response, reader } = await open();
  const stream = new EventStream(response, { pingEveryMs: 20, stallTimeoutMs: 100 });
  reader.pause();
  const closed = once(response, 'close');
  // More than the kernel's buffers take.
  stream.send({ revision: 1, json: 'x'.repeat(30_000_000) });
  await closed;
  expect(response.destroyed).toBe(true);
});
