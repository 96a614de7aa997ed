import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { followEvents } from './follow-events.js';
import type { Followed } from './follow-events.js';

const change = (number: number): string =>
  JSON.stringify({
    number,
    id: '019e0000-0000-7000-8000-000000000001',
    at: '2026-11-26T00:00:00.000Z',
    type: 'model.create',
    subject: `models/m${number}`,
    actor: 'client:admin',
    data: {},
  });

/** Answers one stream after the other, each with its events, and notes from where each was asked for. */
async function serve(streams: readonly string[]) {
  const asked: (string | undefined)[] = [];
  const server = createServer((req, res) => {
    const text = streams[asked.length];
    asked.push(req.headers['last-event-id']?.toString());
    if (text === undefined) res.writeHead(403, { 'content-type': 'text/plain' }).end('enough');
    else res.writeHead(200, { 'content-type': 'text/event-stream' }).end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { asked, baseUrl: `http://127.0.0.1:${port}`, close: () => server.close() };
}

it('tells of events that it cannot read, passes them over, and tells of each break', async () => {
  const { asked, baseUrl, close } = await serve([
    `event: change\nid: 1\ndata: ${change(1)}\n\nevent: change\nid: 2\ndata: {"number":2}\n\n` +
      `event: change\nid: 3\ndata: {broken\n\nevent: later\nid: 4\ndata: x\n\n`,
    `event: change\nid: 5\ndata: ${change(5)}\n\n`,
  ]);
  const seen: Followed[] = [];
  const following = (async () => {
    for await (const one of followEvents({ baseUrl }, {}, new AbortController().signal, { random: () => 0 }))
      seen.push(one);
  })();
  await expect(following).rejects.toMatchObject({ status: 403 });
  close();
  expect(seen.map((one) => (one.kind === 'change' ? one.change.number : one.kind))).toEqual([
    1,
    'unreadable',
    'unreadable',
    'interrupted',
    5,
    'interrupted',
  ]);
  expect(seen[1]).toMatchObject({ id: '2', error: { name: 'ZodError' } });
  expect(seen[2]).toMatchObject({ id: '3', error: { name: 'SyntaxError' } });
  expect(seen[3]).toMatchObject({ error: { message: 'the registry ended the stream' }, retryInMs: 100 });
  expect(asked).toEqual([undefined, '4', '5']);
});
