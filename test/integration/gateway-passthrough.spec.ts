/** Everything but inference goes to the registry: as it is, streamed, and with the hazards of proxying kept out. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Problem } from '#contracts/errors';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import {
  TestRegistry,
  bodyOf,
  cleanUp,
  exchangeRaw,
  makeSnapshot,
  openSocket,
  publish,
  startTestGateway,
  until,
} from './gateway-harness.js';

let registry: TestRegistry;
let gateway: Gateway;
let seen: { readonly req: IncomingMessage; readonly body: Buffer }[];

beforeEach(async () => {
  seen = [];
  registry = await TestRegistry.start();
  registry.other = (req, res) => void echo(req, res);
  gateway = await startTestGateway(registry.url);
  await publish(registry, gateway, makeSnapshot({ keys: registry.keys, versions: {} }));
});
afterEach(cleanUp);

async function echo(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await bodyOf(req).catch(() => undefined);
  if (!body) return;
  seen.push({ req, body });
  res.writeHead(201, 'Made', [
    ['content-type', 'application/json'],
    ['set-cookie', 'a=1'],
    ['set-cookie', 'b=2'],
    ['etag', '"7"'],
    ['connection', 'x-inner'],
    ['x-inner', 'secret'],
  ] as never);
  res.end(body);
}

describe('pass-through', () => {
  it('carries method, path, query, headers and body, both ways', async () => {
    const response = await fetch(`${gateway.url}/api/v1/models/iris?page_size=3`, {
      method: 'PUT',
      headers: { authorization: 'Bearer mine', 'if-match': '"6"', 'content-type': 'application/json' },
      body: '{"a":1}',
    });
    expect([response.status, response.statusText]).toEqual([201, 'Made']);
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(response.headers.get('etag')).toBe('"7"');
    expect(response.headers.has('x-inner')).toBe(false);
    expect(await response.text()).toBe('{"a":1}');
    const { req } = seen[0] ?? expect.fail('nothing arrived');
    expect([req.method, req.url]).toEqual(['PUT', '/api/v1/models/iris?page_size=3']);
    expect(req.headers).toMatchObject({ authorization: 'Bearer mine', 'if-match': '"6"' });
  });

  it('drops what a caller forges and appends where the request came from', async () => {
    const answer = await exchangeRaw(
      gateway.url,
      'GET /api/v1/models HTTP/1.1\r\nhost: sluice.example\r\nconnection: close, x-listed\r\nx-listed: 1\r\nte: trailers\r\nproxy-authorization: x\r\n' +
        'x-forwarded-for: 6.6.6.6\r\nx-forwarded-proto: https\r\nforwarded: for=6.6.6.6\r\nx-real-ip: 6.6.6.6\r\nx-sluice-node: forged\r\nx-request-id: mine\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 201 Made/);
    const headers = seen[0]?.req.headers;
    expect(headers).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': 'sluice.example',
      'x-forwarded-proto': 'http',
      'x-request-id': 'mine',
    });
    for (const dropped of [
      'x-listed',
      'te',
      'proxy-authorization',
      'forwarded',
      'x-real-ip',
      'x-sluice-node',
    ])
      expect(headers).not.toHaveProperty(dropped);
  });

  it('believes X-Forwarded fields of trusted proxies, and appends to them', async () => {
    const behind = await startTestGateway(registry.url, {
      SLUICE_GATEWAY_TRUSTED_PROXIES: '10.0.0.0/8, 127.0.0.1, fd00::/8',
    });
    await exchangeRaw(
      behind.url,
      'GET /api/v1/models HTTP/1.1\r\nhost: inner\r\nconnection: close\r\nx-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\nx-forwarded-host: sluice.example\r\n\r\n',
    );
    expect(seen[0]?.req.headers).toMatchObject({
      'x-forwarded-for': '192.0.2.7, 127.0.0.1',
      'x-forwarded-host': 'sluice.example',
      'x-forwarded-proto': 'https',
    });
  });

  it('joins a WebSocket to the registry, and ends both sides together', async () => {
    let inner: Duplex | undefined;
    registry.server.on('upgrade', (req: IncomingMessage, socket: Duplex) => {
      inner = socket;
      seen.push({ req, body: Buffer.alloc(0) });
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nhello ',
      );
      socket.on('data', (bytes: Buffer) => socket.write(bytes));
    });
    const socket = await openSocket(gateway.url);
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    socket.write(
      'GET /api/v1/live HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: a\r\nx-sluice-node: forged\r\n\r\nframe',
    );
    await until(() => text.endsWith('hello frame'), 'echo');
    expect(text).toMatch(/^HTTP\/1\.1 101 /);
    expect(seen[0]?.req.headers).toMatchObject({ 'sec-websocket-key': 'a', 'x-forwarded-for': '127.0.0.1' });
    expect(seen[0]?.req.headers).not.toHaveProperty('x-sluice-node');
    const closed = once(socket, 'close');
    inner?.destroy();
    await closed;
    await until(() => gateway.core.inFlight === 0, 'counted out');
  });

  it('frames a chunked DELETE anew: nothing is smuggled', async () => {
    const inner = 'GET /admin/smuggled HTTP/1.1\r\nhost: x\r\n\r\n';
    for (const method of ['DELETE', 'GET', 'POST']) {
      seen = [];
      const answer = await exchangeRaw(
        gateway.url,
        `${method} /api/v1/models/a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 201 /);
      expect(seen.map(({ req, body }) => [req.url, body.toString()])).toEqual([['/api/v1/models/a', inner]]);
    }
    await exchangeRaw(
      gateway.url,
      `POST /api/v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    );
    expect(seen).toHaveLength(1);
  });

  it('streams an upload without holding it', async () => {
    const digest = createHash('sha256');
    let arrived = 0;
    let paused = true;
    registry.other = (req, res) => {
      const read = (): void => {
        req.on('data', (chunk: Buffer) => {
          digest.update(chunk);
          arrived += chunk.length;
        });
        req.on('end', () => res.end(digest.digest('hex')));
      };
      const timer = setInterval(() => {
        if (paused) return;
        clearInterval(timer);
        read();
      }, 10);
    };
    const total = 96 * 1_048_576;
    const block = Buffer.alloc(1_048_576, 'sluice');
    const upload = httpRequest(`${gateway.url}/api/v1/models/iris/versions`, { method: 'POST' });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      upload.on('response', resolve).on('error', reject);
    });
    let sent = 0;
    let stalled = false;
    const expected = createHash('sha256');
    const send = (): void => {
      while (sent < total) {
        sent += block.length;
        expected.update(block);
        if (!upload.write(block)) {
          upload.once('drain', send);
          return;
        }
      }
      upload.end();
    };
    send();
    for (let last = -1; sent !== last;) {
      last = sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
      stalled = sent < total;
    }
    expect(stalled).toBe(true);
    paused = false;
    expect(String(await bodyOf(await answered))).toBe(expected.digest('hex'));
    expect(arrived).toBe(total);
  });

  it('sends events as they come, and tells the registry when the caller leaves', async () => {
    let closed = false;
    registry.other = (_req, res) => {
      res.on('close', () => (closed = true));
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: 1\n\n');
    };
    const abort = new AbortController();
    const response = await fetch(`${gateway.url}/api/v1/anything`, { signal: abort.signal });
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('data: 1\n\n');
    abort.abort();
    await until(() => closed, 'registry told');
  });

  it('tells the registry when an upload breaks off', async () => {
    let aborted = false;
    let begun = false;
    registry.other = (req) => {
      begun = true;
      req.resume();
      req.on('error', () => (aborted = true));
    };
    const socket = await openSocket(gateway.url);
    socket.write('POST /api/v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf');
    await until(() => begun, 'upload begun');
    socket.destroy();
    await until(() => aborted, 'upload broken off');
    await until(() => gateway.core.inFlight === 0, 'counted out');
  });

  it('cuts the caller off when the registry dies in the middle', async () => {
    registry.other = (_req, res) => {
      res.writeHead(200, { 'content-length': '100' });
      res.write('part');
      setTimeout(() => res.destroy(), 50);
    };
    const response = await fetch(`${gateway.url}/api/v1/x`);
    await expect(response.text()).rejects.toThrow();
  });

  it('says so when the registry is away', async () => {
    await registry.stop();
    const response = await fetch(`${gateway.url}/api/v1/models`, { headers: { 'x-request-id': 'r1' } });
    expect(response.status).toBe(503);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(Problem.parse(await response.json())).toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      request_id: 'r1',
    });
  });
});
