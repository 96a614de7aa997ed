import { once } from 'node:events';
import { createServer, request as httpRequest, Agent } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { openBody } from './request-body.js';
import type { BodyTimes } from './request-body.js';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.closeAllConnections();
});

/** Answers 200 with what `take` made of the body, or 400 with the code of its failure. */
async function serve(
  take: (body: ReturnType<typeof openBody>) => Promise<string>,
  times: BodyTimes,
): Promise<number> {
  const server = createServer((request, response) => {
    const body = openBody(request, times);
    take(body)
      .finally(() => body.destroy())
      .then(
        (result) => response.end(result),
        (error: unknown) => response.writeHead(400).end((error as { code: string }).code),
      );
  });
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const times: BodyTimes = { idleTimeoutMs: 60_000, lingerMs: 60_000 };
const refuse = (): Promise<string> => Promise.reject(Object.assign(new Error('no'), { code: 'REFUSED' }));

function start(port: number, bodyStart: string): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n${bodyStart}`);
  return socket;
}

async function answerOn(socket: Socket): Promise<string> {
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

describe('openBody', () => {
  it('gives the whole body', async () => {
    const port = await serve(text, times);
    const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: 'x'.repeat(1_000_000) });
    expect((await response.text()).length).toBe(1_000_000);
  });

  it('answers a refused caller that is still sending, and cuts it off if it does not stop', async () => {
    const port = await serve(refuse, { ...times, lingerMs: 20 });
    const socket = start(port, 'first');
    expect(await answerOn(socket)).toMatch(/^HTTP\/1.1 400 [^]*REFUSED/);
    socket.on('error', () => undefined);
    await once(socket, 'close');
  });

  it('keeps the connection of a refused caller that has sent all', async () => {
    const lingerMs = 20;
    const port = await serve(refuse, { ...times, lingerMs });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const post = async (): Promise<boolean> => {
      const sent = httpRequest({ port, host: '127.0.0.1', method: 'POST', agent });
      sent.end('x'.repeat(500_000));
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      await text(response);
      return sent.reusedSocket;
    };
    await post();
    await new Promise((resolve) => setTimeout(resolve, 3 * lingerMs));
    expect(await post()).toBe(true);
    agent.destroy();
  });

  it('ends in UPLOAD_INCOMPLETE when the connection breaks', async () => {
    let socket: Socket | undefined;
    const failure = new Promise<unknown>((resolve, reject) => {
      const take = (body: ReturnType<typeof openBody>) => {
        body.once('data', () => socket?.destroy());
        return text(body).catch((error: unknown) => {
          resolve(error);
          throw error;
        });
      };
      serve(take, times).then((port) => (socket = start(port, 'first')), reject);
    });
    expect(await failure).toMatchObject({ code: 'UPLOAD_INCOMPLETE' });
  });

  it('ends in REQUEST_TIMEOUT when nothing comes any more', async () => {
    const port = await serve(text, { ...times, idleTimeoutMs: 30 });
    expect(await answerOn(start(port, 'first'))).toMatch(/REQUEST_TIMEOUT/);
  });
});
