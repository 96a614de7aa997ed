/** The node lane against undici: it never accepts what undici refuses, and what both accept they read alike, however the bytes arrive. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { Client } from 'undici';
import { Outbox } from '../outbox.js';
import { Answer } from './answer.js';
import type { AnswerControl, AnswerHandler } from './answer.js';
import { ChunkedBody } from './chunked.js';
import { NodeConnection } from './connection.js';
import { NodeLane } from './lane.js';
import type { NodeLaneSettings, NodeRequest } from './lane.js';
import { plainConnector } from './plain-connector.js';

const toBytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What one request came to. */
interface Result {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

class Collector implements AnswerHandler {
  control: AnswerControl | undefined;
  status = 0;
  headers: Record<string, unknown> = {};
  body = '';
  onBegin: () => void = () => undefined;
  readonly result: Promise<Result | Error>;
  private settle: (result: Result | Error) => void = () => undefined;

  constructor() {
    this.result = new Promise((resolve) => (this.settle = resolve));
  }

  onRequestStart(control: AnswerControl): void {
    this.control = control;
  }

  onResponseStart(_: AnswerControl, status: number, headers: Record<string, unknown>): void {
    if (status < 200) return;
    this.status = status;
    this.headers = { ...headers };
    this.onBegin();
  }

  onResponseData(_: AnswerControl, chunk: Buffer): void {
    this.body += chunk.toString('latin1');
  }

  onResponseEnd(): void {
    this.settle({ status: this.status, headers: this.headers, body: this.body });
  }

  onResponseError(_: AnswerControl, error: Error): void {
    this.settle(error);
  }
}

/** A node on raw TCP, which does to each request whatever the test says. */
class RawNode {
  readonly sockets: Socket[] = [];
  requests = 0;
  onBytes: (socket: Socket, bytes: Buffer) => void = () => undefined;
  private readonly server: Server = createServer((socket) => {
    this.sockets.push(socket);
    socket.setNoDelay(true).on('error', () => undefined);
    socket.on('data', (bytes) => {
      this.requests += 1;
      this.onBytes(socket, bytes);
    });
  });

  async listen(): Promise<string> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    const closed = once(this.server, 'close');
    this.server.close();
    await closed;
  }
}

const node = { origin: '', raw: new RawNode() };
beforeEach(async () => {
  node.raw = new RawNode();
  node.origin = await node.raw.listen();
});
afterEach(() => node.raw.close());

const get: NodeRequest = { method: 'GET', path: '/v2', headers: ['accept', '*/*'], body: undefined };
const post = (bytes: number): NodeRequest => ({ ...get, method: 'POST', body: Buffer.alloc(bytes, 'x') });
const ok = (body: string, fields = ''): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${fields}\r\n${body}`;

function openLane(settings: Partial<NodeLaneSettings> = {}): NodeLane {
  return new NodeLane(node.origin, {
    connect: plainConnector(5_000),
    maxConnections: 8,
    keepAliveMs: 60_000,
    maxKeepAliveMs: 60_000,
    ...settings,
  });
}

function ask(lane: NodeLane, request: NodeRequest = get): Collector {
  const collector = new Collector();
  lane.dispatch(request, collector);
  return collector;
}

const bodyOf = async (collector: Collector): Promise<string> => {
  const result = await collector.result;
  if (result instanceof Error) throw result;
  return result.body;
};

const line = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'content-type: application/json',
      'X-One:  1 \t',
      'x-many: a',
      'x-many: b',
      'x-empty:',
      'connection: keep-alive',
      'keep-alive: timeout=5',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'connection: close',
      'content-length: 3',
      'content-length: 4, 4',
      'content-length: +4',
      'content-length: 0x4',
      'content-length:',
      'transfer-encoding: chunked',
      'transfer-encoding: gzip, chunked',
      'Transfer-Encoding : chunked',
      ' folded: x',
      'no colon',
      ': no name',
      'x-null: a\0b',
      'x-lf: a\nb',
      'x-cr: a\rb',
    ),
  },
);
const statusLine = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 503 Service Unavailable') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'HTTP/1.1 204 No Content',
      'HTTP/1.1 200',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK',
      'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK',
      'HTTP/1.1 101 Switching Protocols',
      'HTTP/1.0 200 OK',
      'HTTP/1.1  200 OK',
      'HTTP/1.1 2000 OK',
      'http/1.1 200 OK',
      'HTTP/1.1 200 OK\0',
      '',
    ),
  },
);
const framed = fc.constantFrom(
  'content-length: 4\r\n\r\nbody',
  'transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n',
  'transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-trailer: 1\r\n\r\n',
  'transfer-encoding: chunked\r\n\r\n1;ext=1\r\nx\r\n0\r\n\r\n',
  'transfer-encoding: chunked\r\n\r\ng\r\nx\r\n0\r\n\r\n',
  'transfer-encoding: chunked\r\n\r\n2\r\nx\r\n0\r\n\r\n',
  'content-length: 400\r\n\r\ncut off',
  'content-length: 0\r\n\r\n',
  '\r\nuntil the end',
);
interface Mutation {
  readonly at: number;
  readonly removed: number;
  readonly added: string;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(160),
  removed: fc.nat(2),
  added: fc.constantFrom('', '\r', '\n', '\r\n', ' ', ':', '\0', '0', '\r\n\r\n'),
});
/** An answer, mostly plain. */
const answer = fc
  .record({
    first: statusLine,
    lines: fc.array(line, { maxLength: 4 }),
    rest: framed,
    mutations: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Mutation[]>([]) },
      fc.array(mutation, { maxLength: 2 }),
    ),
  })
  .map(({ first, lines, rest, mutations }) =>
    mutations.reduce(
      (text, { at, removed, added }) => text.slice(0, at) + added + text.slice(at + removed),
      `${[first, ...lines, ''].join('\r\n')}${rest}`,
    ),
  );

/** Each piece by itself, then the end. */
async function sendInTurn(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  socket.end();
}

/** undici leaves blanks at the end of a value, which are none of it (RFC 9112 §5.1). */
function withoutBlanks(result: Result | Error): Result | Error {
  if (result instanceof Error) return result;
  const trimmed = Object.entries(result.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.map((one) => String(one).trimEnd()) : String(value).trimEnd(),
  ]);
  return { ...result, headers: Object.fromEntries(trimmed) };
}

describe('an answer', () => {
  it('is never accepted when undici refuses it, and means the same to both, however it is cut', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(answer, fc.array(fc.nat(200), { maxLength: 3 }), async (text, cuts) => {
        const bytes = toBytes(text);
        const ends = [...cuts.filter((at) => at < bytes.length), bytes.length].sort((a, b) => a - b);
        const pieces = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
        node.raw.onBytes = (socket) => void sendInTurn(socket, pieces);
        const found = await ask(openLane()).result;
        if (found instanceof Error) return;
        accepted += 1;
        const client = new Client(node.origin);
        const expected = new Collector();
        client.dispatch({ method: 'GET', path: '/v2' }, expected);
        expect(withoutBlanks(await expected.result)).toEqual(found);
        await client.destroy();
      }),
      { numRuns: 400 },
    );
    expect(accepted).toBeGreaterThan(100);
  }, 60_000);

  it('gets its chunks back whole, however they and their bytes are cut', () => {
    const pieces = fc.array(fc.string({ minLength: 1, maxLength: 40 }), { maxLength: 6 });
    fc.assert(
      fc.property(pieces, fc.integer({ min: 1, max: 17 }), fc.nat(20), (data, step, after) => {
        const coded = data.map((one) => {
          const bytes = Buffer.from(one);
          return Buffer.concat([toBytes(`${bytes.length.toString(16)}\r\n`), bytes, toBytes('\r\n')]);
        });
        const end = toBytes('0\r\nx-sum: 1\r\n\r\n');
        const wire = Buffer.concat([...coded, end, Buffer.alloc(after, '1')]);
        const body = new ChunkedBody();
        const found: Buffer[] = [];
        let used = 0;
        for (let at = 0; at < wire.length && !body.isOver; at += step)
          used += body.take(wire.subarray(at, at + step), (piece) => found.push(Buffer.from(piece)));
        expect(Buffer.concat(found).toString()).toBe(data.join(''));
        expect({ isOver: body.isOver, used }).toEqual({ isOver: true, used: wire.length - after });
      }),
    );
  });

  it('with a head that does not end is given up', async () => {
    node.raw.onBytes = (socket) => socket.write(`HTTP/1.1 200 OK\r\nx-flood: ${'y'.repeat(20_000)}`);
    expect(await ask(openLane()).result).toBeInstanceOf(Error);
  });
});

describe('a connection', () => {
  it('is used again, and no more of them are opened than allowed: the others wait', async () => {
    const lane = openLane({ maxConnections: 2 });
    node.raw.onBytes = (socket) => setImmediate(() => socket.write(ok('one')));
    const bodies = await Promise.all(Array.from({ length: 20 }, () => bodyOf(ask(lane))));
    expect(bodies).toEqual(Array.from({ length: 20 }, () => 'one'));
    expect(node.raw.sockets).toHaveLength(2);
  });

  it.each([
    ['the node closes it', 'connection: close\r\n'],
    ['the node keeps it for a moment only', 'keep-alive: timeout=1\r\n'],
    ['bytes follow that nobody asked for', 'x: 1\r\n'],
  ])('is not used again when %s', async (why, fields) => {
    const lane = openLane();
    node.raw.onBytes = (socket) => socket.write(ok('one', fields) + (why.startsWith('bytes') ? 'HTTP' : ''));
    expect(await bodyOf(ask(lane))).toBe('one');
    expect(await bodyOf(ask(lane))).toBe('one');
    expect(node.raw.sockets).toHaveLength(2);
  });

  it('gives pieces that stay as they are while it reads on', async () => {
    const halves = ['a', 'b'].map((letter) => letter.repeat(10_000));
    node.raw.onBytes = (socket) =>
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n${halves[0]}`);
    const kept: Buffer[] = [];
    const collector = new Collector();
    const take = collector.onResponseData.bind(collector);
    collector.onResponseData = (control, chunk) => {
      kept.push(chunk);
      take(control, chunk);
      if (collector.body === halves[0]) node.raw.sockets[0]?.write(halves[1] ?? '');
    };
    openLane().dispatch(get, collector);
    await collector.result;
    expect(Buffer.concat(kept).toString()).toBe(halves.join(''));
  });

  it('is given up when a node speaks unasked', async () => {
    const lane = openLane();
    node.raw.onBytes = (socket) => socket.write(ok('one'));
    await bodyOf(ask(lane));
    const [first] = node.raw.sockets;
    if (!first) throw new Error('no connection');
    const closed = once(first, 'close');
    first.write(ok('a lie'));
    await closed;
    expect(await bodyOf(ask(lane))).toBe('one');
  });

  it('is not used again while its request has not all been sent', async () => {
    const lane = openLane();
    node.raw.onBytes = (socket, bytes) => {
      const isLarge = bytes.includes('content-length: 50000000');
      if (isLarge) socket.pause().write(ok('too large'));
      else if (bytes.includes('GET')) socket.write(ok('small'));
    };
    expect(await bodyOf(ask(lane, post(50_000_000)))).toBe('too large');
    expect(await bodyOf(ask(lane))).toBe('small');
    expect(node.raw.sockets).toHaveLength(2);
  });

  it('is not used again after an answer to a request that is still to be written', () => {
    const [near] = duplexPair();
    const freed: NodeConnection[] = [];
    const owner = {
      outbox: new Outbox(),
      onFree: (one: NodeConnection) => freed.push(one),
      onClosed: () => 0,
    };
    const connection = new NodeConnection(near as Socket, owner);
    const collector = new Collector();
    connection.send('GET /v2 HTTP/1.1\r\n\r\n', undefined, new Answer(collector, false));
    near.emit('data', toBytes(ok('early')));
    expect(collector.body).toBe('early');
    expect({ freed, isUsable: connection.isUsable }).toEqual({ freed: [], isUsable: false });
  });

  it('closes when its answer is broken off, and only then', async () => {
    const lane = openLane();
    node.raw.onBytes = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart');
    const first = ask(lane);
    await new Promise<void>((resolve) => (first.onBegin = resolve));
    const [socket] = node.raw.sockets;
    if (!socket) throw new Error('no connection');
    const closed = once(socket, 'close');
    first.control?.abort(new Error('left'));
    expect(await first.result).toEqual(new Error('left'));
    await closed;

    node.raw.onBytes = (other) => other.write(ok('two'));
    const second = ask(lane);
    expect(await bodyOf(second)).toBe('two');
    const third = ask(lane);
    // Late words of who was served before are nothing to who is served now.
    second.control?.pause();
    second.control?.abort(new Error('late'));
    expect(await bodyOf(third)).toBe('two');
    expect(node.raw.sockets).toHaveLength(2);
  });

  it('goes no faster than its reader', async () => {
    const lane = openLane();
    const body = 'x'.repeat(8_000_000);
    node.raw.onBytes = (socket) => socket.write(ok(body));
    const slow = ask(lane);
    await new Promise<void>((resolve) => {
      slow.onBegin = () => {
        slow.control?.pause();
        resolve();
      };
    });
    const { length } = slow.body;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(slow.body.length - length).toBeLessThan(200_000);
    slow.control?.resume();
    expect((await bodyOf(slow)).length).toBe(body.length);
  });
});

describe('the lane', () => {
  it('says why it cannot connect, to each who waits', async () => {
    // Nobody listens on a port below 1024 here.
    node.origin = 'http://127.0.0.1:1';
    const lane = openLane({ maxConnections: 1 });
    const errors = await Promise.all([ask(lane).result, ask(lane).result]);
    for (const error of errors) expect(error).toMatchObject({ syscall: 'connect', code: 'ECONNREFUSED' });
  });

  it('skips who has left while it waited', async () => {
    const lane = openLane({ maxConnections: 1 });
    node.raw.onBytes = (socket) => socket.write(ok('one'));
    const [first, gone, last] = [ask(lane), ask(lane), ask(lane)];
    gone.control?.abort(new Error('left'));
    expect(await gone.result).toEqual(new Error('left'));
    expect(await Promise.all([bodyOf(first), bodyOf(last)])).toEqual(['one', 'one']);
    expect(node.raw.requests).toBe(2);
  });

  it('finishes what it has when it closes, and breaks it off when it is destroyed', async () => {
    const lane = openLane();
    const asked = new Promise<Socket>((resolve) => (node.raw.onBytes = resolve));
    const under = ask(lane);
    const socket = await asked;
    lane.close();
    const closed = once(socket, 'close');
    socket.write(ok('to the end'));
    expect(await bodyOf(under)).toBe('to the end');
    await closed;

    node.raw.onBytes = () => undefined;
    const other = openLane();
    const broken = ask(other);
    other.destroy(new Error('over'));
    expect(await broken.result).toEqual(new Error('over'));
  });
});
