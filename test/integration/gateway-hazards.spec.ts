/** The hazards of proxying, on raw sockets: broken callers, broken nodes, and what both may try to slip through. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import {
  TestNode,
  TestRegistry,
  bodyOf,
  cleanUp,
  exchangeRaw,
  makeSnapshot,
  makeToken,
  openSocket,
  publish,
  startRawNode,
  startTestGateway,
  until,
} from './gateway-harness.js';
import type { SnapshotWishes } from './gateway-harness.js';

const holdBytes = 4_096;
const maxBodyBytes = 262_144;

let registry: TestRegistry;
let gateway: Gateway;
let bearer: string;
let revision: number;

beforeEach(async () => {
  revision = 0;
  registry = await TestRegistry.start();
  gateway = await startTestGateway(registry.url, {
    SLUICE_GATEWAY_HOLD_BYTES: holdBytes,
    SLUICE_GATEWAY_MAX_BODY_BYTES: maxBodyBytes,
  });
  bearer = await makeToken(registry.keys);
});
afterEach(cleanUp);

type Replicas = SnapshotWishes['versions'][number];
const serveBy = (replicas: Replicas, wishes: Partial<SnapshotWishes> = {}): Promise<void> =>
  publish(
    registry,
    gateway,
    makeSnapshot({ keys: registry.keys, revision: ++revision, versions: { 1: replicas }, ...wishes }),
  );

const infer = (
  body: NonNullable<RequestInit['body']> = '{}',
  init: RequestInit & { duplex?: 'half' } = {},
): Promise<Response> =>
  fetch(`${gateway.url}/v2/models/iris/infer`, {
    method: 'POST',
    body,
    ...init,
    headers: { authorization: `Bearer ${bearer}`, ...(init.headers as Record<string, string>) },
  });
const outcome = async (response: Response): Promise<unknown[]> => {
  await response.arrayBuffer();
  return [response.status, response.headers.get('x-sluice-code')];
};
const head = (extra: string, line = 'POST /v2/models/iris/infer HTTP/1.1'): string =>
  `${line}\r\nhost: sluice\r\nauthorization: Bearer ${bearer}\r\n${extra}\r\n`;
const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const deadAddress = { node_id: '0198f000-0000-7000-8000-000000000001', address: 'http://127.0.0.1:9' };

describe('retries', () => {
  it('go to another replica when the first cannot be reached', async () => {
    const alive = await TestNode.start('alive');
    await serveBy([deadAddress, alive.replica]);
    for (let i = 0; i < 20; i++) expect((await infer()).status).toBe(200);
    expect(alive.seen).toHaveLength(20);
    expect(gateway.core.counters.retries).toBeGreaterThan(0);
    expect(gateway.core.counters.ejections).toBe(1);
  });

  it('follow a reset, a 502 and a 503 of the node, and carry the same body', async () => {
    const alive = await TestNode.start('alive');
    const troubles: ((socket: Socket) => void)[] = [
      (socket) => socket.destroy(),
      (socket) => socket.resetAndDestroy(),
      (socket) => socket.write('HTTP/1.1 502 Bad\r\ncontent-length: 3\r\n\r\nbad'),
      (socket) =>
        socket.write('HTTP/1.1 503 Busy\r\ncontent-length: 4\r\nx-sluice-code: OVERLOADED\r\n\r\nbusy'),
      (socket) => socket.write('HTTP/1.1 404 Gone\r\ncontent-length: 4\r\n\r\ngone'),
    ];
    for (const trouble of troubles) {
      const before = gateway.core.counters.retries;
      await serveBy([await startRawNode(trouble), alive.replica]);
      for (let i = 0; i < 8; i++) expect((await infer(`body ${i}`)).status).toBe(200);
      expect(gateway.core.counters.retries).toBeGreaterThan(before);
      expect(alive.seen.at(-1)?.body.toString()).toBe('body 7');
    }
  });

  it('happen once: with every replica dead the caller learns it', async () => {
    await serveBy([deadAddress]);
    expect(await outcome(await infer())).toEqual([502, 'UPSTREAM_FAILED']);
    let requests = 0;
    const dying = (socket: Socket): void => {
      requests += 1;
      socket.destroy();
    };
    await serveBy([await startRawNode(dying), await startRawNode(dying)]);
    expect(await outcome(await infer())).toEqual([502, 'UPSTREAM_FAILED']);
    expect(requests).toBe(2);
  });

  it('show the last answer of the node when there is no other replica', async () => {
    await serveBy([
      await startRawNode((socket) =>
        socket.write('HTTP/1.1 503 Busy\r\ncontent-length: 4\r\nx-sluice-code: OVERLOADED\r\n\r\nbusy'),
      ),
    ]);
    const response = await infer();
    expect(await outcome(response)).toEqual([503, 'OVERLOADED']);
    for (const [status, shown] of [
      [401, [502, 'UPSTREAM_FAILED']],
      [404, [503, 'NO_READY_REPLICA']],
    ] as const) {
      await serveBy([
        await startRawNode((socket) => socket.write(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)),
      ]);
      expect(await outcome(await infer())).toEqual(shown);
    }
  });

  it('hide a reset of a reused keep-alive socket, even on the only replica', async () => {
    await serveBy([
      await startRawNode((socket, _, requestOfSocket) => {
        if (requestOfSocket === 1) socket.write(ok);
        else socket.resetAndDestroy();
      }),
    ]);
    for (let i = 0; i < 20; i++) expect((await infer()).status).toBe(200);
  });

  it('are not made for a streamed body that has begun', async () => {
    const alive = await TestNode.start('alive');
    let bytes = 0;
    const dying = await startRawNode((socket) => {
      bytes += 1;
      socket.destroy();
    });
    await serveBy([dying, dying]);
    expect(await outcome(await infer('x'.repeat(holdBytes * 4)))).toEqual([502, 'UPSTREAM_FAILED']);
    expect(bytes).toBe(1);
    await serveBy([deadAddress, alive.replica]);
    for (let i = 0; i < 6; i++) expect((await infer('x'.repeat(holdBytes * 4))).status).toBe(200);
    expect(alive.seen.at(-1)?.body).toHaveLength(holdBytes * 4);
  });
});

describe('breaks', () => {
  it('a caller that leaves cancels the work at the node', async () => {
    const node = await TestNode.start('slow');
    let cancelled = 0;
    node.intercept = (req, res) => {
      req.resume();
      res.on('close', () => (cancelled += 1));
      if (node.seen.length > 0) res.writeHead(200).write('begun');
    };
    await serveBy([node.replica]);
    const waiting = new AbortController();
    const reached = once(node.server, 'request');
    const early = infer('{}', { signal: waiting.signal });
    await reached;
    waiting.abort();
    await expect(early).rejects.toThrow();
    await until(() => cancelled === 1, 'cancelled before the answer');

    node.seen.push({ method: '', url: '', headers: {}, body: Buffer.alloc(0) });
    const reading = new AbortController();
    const begun = await infer('{}', { signal: reading.signal });
    expect(begun.status).toBe(200);
    reading.abort();
    await until(() => cancelled === 2, 'cancelled in the answer');
    await until(() => gateway.core.inFlight === 0, 'counted out');
    const outcomes = gateway.core.counters.endpoint('iris').versions.get(1)?.get('');
    expect(outcomes?.get('CALLER_LEFT')).toBe(2);
  });

  it('a caller that leaves in the middle of its body never reaches the node', async () => {
    const node = await TestNode.start('one');
    await serveBy([node.replica]);
    const socket = await openSocket(gateway.url);
    socket.write(`${head('content-length: 100\r\n')}half`);
    await until(() => gateway.core.inFlight === 1, 'in flight');
    socket.destroy();
    await until(() => gateway.core.inFlight === 0, 'counted out');
    expect(node.seen).toHaveLength(0);
  });

  it('a node that dies in the middle of its answer cuts the caller off visibly', async () => {
    for (const framing of ['content-length: 100', 'transfer-encoding: chunked']) {
      await serveBy([
        await startRawNode((socket) => {
          const part = framing.startsWith('c') ? 'part' : '4\r\npart\r\n';
          socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${part}`);
          setTimeout(() => socket.destroy(), 50);
        }),
      ]);
      const response = await infer();
      expect(response.status).toBe(200);
      await expect(response.text()).rejects.toThrow();
    }
    const outcomes = (): unknown =>
      gateway.core.counters.endpoint('iris').versions.get(1)?.get('')?.get('UPSTREAM_FAILED');
    await until(() => outcomes() === 2, 'both counted');
  });

  it('a node that talks nonsense is a failed node', async () => {
    for (const nonsense of [
      'hello\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok',
    ]) {
      await serveBy([await startRawNode((socket) => socket.write(nonsense))]);
      expect(await outcome(await infer())).toEqual([502, 'UPSTREAM_FAILED']);
    }
  });

  it('deadlines end what does not end', async () => {
    let closed = 0;
    const silent = await startRawNode((socket) => socket.on('close', () => (closed += 1)));
    await serveBy([silent], { timeoutMs: 200 });
    expect(await outcome(await infer())).toEqual([504, 'DEADLINE_EXCEEDED']);
    await until(() => closed === 1, 'connection to the node closed');
    const started = Date.now();
    const hurried = await infer('{}', { headers: { 'x-sluice-deadline-ms': '50' } });
    expect(await outcome(hurried)).toEqual([504, 'DEADLINE_EXCEEDED']);
    expect(Date.now() - started).toBeLessThan(190);
    const slowloris = await exchangeRaw(gateway.url, `${head('content-length: 100\r\n')}ha`);
    expect(slowloris).toMatch(/^HTTP\/1\.1 408 [^]*x-sluice-code: REQUEST_TIMEOUT/);
  });
});

describe('headers', () => {
  it('of the connection are stripped both ways, before ours are added', async () => {
    const seen: string[] = [];
    await serveBy([
      await startRawNode((socket, text) => {
        seen.push(text.toLowerCase());
        socket.write(
          'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive, x-secret, x-request-id\r\nkeep-alive: timeout=60\r\n' +
            'x-secret: 1\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\ntrailer: x\r\nx-sluice-version: 99\r\nx-kept: a\r\nx-kept: b\r\n\r\nok',
        );
      }),
    ]);
    const socket = await openSocket(gateway.url);
    socket.write(
      `${head('content-length: 2\r\nconnection: keep-alive, x-request-id, traceparent, authorization\r\nkeep-alive: 5\r\nte: trailers\r\nproxy-authorization: x\r\nupgrade: h2c\r\ntraceparent: 00-a\r\nx-request-id: mine\r\n')}{}`,
    );
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    const answer = chunk.toString('latin1').toLowerCase();
    expect(answer).toContain('x-kept: a\r\nx-kept: b\r\n');
    expect(answer).toContain('x-sluice-version: 1\r\n');
    expect(answer).toContain('x-request-id: mine\r\n');
    for (const field of [
      'x-secret',
      'proxy-authenticate',
      'upgrade:',
      'trailer:',
      'x-sluice-version: 99',
      'timeout=60',
    ])
      expect(answer, field).not.toContain(field);
    for (const field of [
      'keep-alive: 5',
      'te:',
      'proxy-authorization',
      'upgrade:',
      'traceparent: 00-a\r',
      bearer.toLowerCase(),
    ])
      expect(seen[0], field).not.toContain(field);
    expect(seen[0]).toContain('authorization: bearer gateway-credential\r\n');
  });

  it('too many of them are refused', async () => {
    await serveBy([(await TestNode.start('one')).replica]);
    const answer = await exchangeRaw(gateway.url, head(`x-flood: ${'y'.repeat(32_768)}\r\n`));
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe('framing', () => {
  it('a chunked body reaches the node as one well framed request, whatever it holds', async () => {
    const node = await TestNode.start('one');
    await serveBy([node.replica]);
    const inner = 'POST /admin HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n';
    const chunked = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
    const answer = await exchangeRaw(
      gateway.url,
      `${head('transfer-encoding: chunked\r\nconnection: close\r\n')}${chunked}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(node.seen.map(({ url, body }) => [url, body.toString()])).toEqual([
      ['/v2/models/iris/versions/1/infer', inner],
    ]);
  });

  it('a GET with a body forwards no body', async () => {
    const node = await TestNode.start('one');
    await serveBy([node.replica]);
    const inner = 'GET /admin HTTP/1.1\r\n\r\n';
    const line = 'GET /v2/models/iris HTTP/1.1';
    await exchangeRaw(
      gateway.url,
      `${head(`transfer-encoding: chunked\r\nconnection: close\r\n`, line)}${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`,
    );
    expect(node.seen.map(({ url, body }) => [url, body.length])).toEqual([['/v2/models/iris/versions/1', 0]]);
  });
});

describe('bodies', () => {
  it('of every size and framing arrive as they were sent', async () => {
    const node = await TestNode.start('echo');
    node.respond = (_req, res, body) => res.end(body);
    await serveBy([node.replica]);
    for (const size of [0, 1, holdBytes, holdBytes + 1, maxBodyBytes]) {
      const bytes = Buffer.alloc(size, 'abcdefg');
      const whole = await infer(bytes);
      expect(Buffer.from(await whole.arrayBuffer()).equals(bytes), `${size} whole`).toBe(true);
      const pieces = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < size; at += 5_000) controller.enqueue(bytes.subarray(at, at + 5_000));
          controller.close();
        },
      });
      const chunked = await infer(pieces, { duplex: 'half' });
      expect(Buffer.from(await chunked.arrayBuffer()).equals(bytes), `${size} chunked`).toBe(true);
    }
  });

  it('beyond the limit are refused: at once when announced, else when they pass it', async () => {
    const node = await TestNode.start('one');
    await serveBy([node.replica]);
    const announced = await infer(Buffer.alloc(maxBodyBytes + 1));
    expect(await outcome(announced)).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    const socket = await openSocket(gateway.url);
    socket.write(head('content-length: 99999999999\r\n'));
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 413 [^]*connection: close/i);
    const pieces = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(16_384)),
    });
    expect(await outcome(await infer(pieces, { duplex: 'half' }))).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    expect(node.seen).toHaveLength(0);
  });

  it('are asked for only when they are wanted (Expect: 100-continue)', async () => {
    const node = await TestNode.start('one');
    await serveBy([node.replica]);
    const wanted = await openSocket(gateway.url);
    wanted.write(head('content-length: 2\r\nexpect: 100-continue\r\n'));
    expect(String((await once(wanted, 'data'))[0])).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    wanted.write('{}');
    expect(String((await once(wanted, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
    const refused = await exchangeRaw(
      gateway.url,
      `POST /v2/models/iris/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 999999\r\nexpect: 100-continue\r\n\r\n`,
    );
    expect(refused).toMatch(/^HTTP\/1\.1 401 /);
  });

  it('go no faster than the slower side, in both directions', async () => {
    const node = await TestNode.start('flood');
    let written = 0;
    node.intercept = (req, res) => {
      req.resume();
      res.writeHead(200);
      const block = Buffer.alloc(65_536);
      const more = (): void => {
        while (written < 64 * 1_048_576) {
          written += block.length;
          if (!res.write(block)) {
            res.once('drain', more);
            return;
          }
        }
        res.end();
      };
      more();
    };
    await serveBy([node.replica], { timeoutMs: 60_000 });
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method: 'POST', headers: { authorization: `Bearer ${bearer}` } };
      httpRequest(`${gateway.url}/v2/models/iris/infer`, options, resolve).on('error', reject).end();
    });
    let before = -1;
    while (written !== before) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(written).toBeLessThan(32 * 1_048_576);
    expect(await bodyOf(response)).toHaveLength(64 * 1_048_576);
  });
});
