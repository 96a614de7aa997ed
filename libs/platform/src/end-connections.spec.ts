import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { endConnections } from './end-connections.js';

async function stage(
  answer: RequestListener,
): Promise<{ readonly server: Server; readonly open: () => Promise<Socket>; readonly close: () => void }> {
  const server = createServer({ keepAliveTimeout: 3_600_000 }, answer);
  const end = endConnections(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const open = async (): Promise<Socket> => {
    const accepted = once(server, 'connection');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined);
    await Promise.all([once(socket, 'connect'), accepted]);
    return socket;
  };
  const close = (): void => {
    server.close();
    end();
  };
  return { server, open, close };
}

const get = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

describe('a server that closes', () => {
  it('waits for no connection on which nothing ever came', async () => {
    const { server, open, close } = await stage((_, res) => res.end());
    await open();
    close();
    await once(server, 'close');
  });

  it('waits for no request whose head is never finished, on a connection that had others before', async () => {
    const { server, open, close } = await stage((_, res) => res.end('answer'));
    const socket = await open();
    socket.write(get);
    await once(socket, 'data');
    socket.write('GET / HTT');
    close();
    await once(server, 'close');
  });

  it('finishes what is under way, and then ends its connection although both sides would keep it', async () => {
    const taken: ServerResponse[] = [];
    const { server, open, close } = await stage((_, res) => void taken.push(res));
    const socket = await open();
    socket.write(get);
    await once(server, 'request');
    const slow = await open();
    slow.write(get);
    await once(server, 'request');
    close();
    taken[0]?.end('first');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 200 [^]*first/);
    const more = once(slow, 'data');
    taken[1]?.end('second');
    expect(String((await more)[0])).toMatch(/second/);
    await once(server, 'close');
  });

  it('waits for none of the requests that came in a row before their caller hung up', async () => {
    const { server, open, close } = await stage(() => undefined);
    const socket = await open();
    const third = new Promise<void>((resolve) => {
      let seen = 0;
      server.on('request', () => ++seen === 3 && resolve());
    });
    socket.write(get.repeat(3));
    await third;
    close();
    socket.destroy();
    await once(server, 'close');
  });
});
