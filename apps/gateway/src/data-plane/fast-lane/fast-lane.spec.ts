/** The fast lane against node:http: it never accepts what llhttp refuses, and what both accept they read alike, however the bytes arrive. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import type { CallerRequest, CallerResponse } from '../caller.js';
import { HttpRequest } from '../http-lane.js';
import { parseRoute } from '../routes.js';
import type { InferenceRoute } from '../routes.js';
import { readHead } from './head.js';
import type { FastLane } from './lane.js';
import { openFastLane } from './lane.js';

const limits = { holdBytes: 4_096, maxBodyBytes: 1_000_000 };

/** Lines that are plain, doubtful, or hostile. Those of the first list come more often. */
const plainLine = fc.constantFrom(
  'host: sluice',
  'Host:x',
  'content-type: application/json',
  'authorization: Bearer abc.def',
  'x-user-id:  u1 \t',
  'x-empty:',
  'Connection: keep-alive',
  'connection: close',
);
const doubtfulLine = fc.constantFrom(
  'host: other',
  'content-length: 3',
  'content-length: +3',
  'content-length: 3, 3',
  'content-length: 0x3',
  'content-length:',
  'content-length: 99999999999999999999',
  'Content-Length : 3',
  'transfer-encoding: chunked',
  'transfer-encoding: identity',
  'Transfer-Encoding:\tchunked',
  'connection: upgrade',
  'connection: close, x-user-id',
  'proxy-connection: close',
  'upgrade: websocket',
  'expect: 100-continue',
  'te: trailers',
  'cookie: a=1',
  'cookie: b=2',
  'set-cookie: a=1',
  '__proto__: x',
  'constructor: x',
  ' folded: x',
  '\tfolded',
  'no colon',
  ': no name',
  'b@d: x',
  'ünïcode: x',
  'x-high: \xe9\xff',
  'x-null: a\0b',
  'x-cr: a\rb',
  'x-lf: a\nb',
  'x-del: \x7f',
  '',
);
const requestLine = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('POST /v2/models/iris/infer HTTP/1.1') },
  {
    weight: 3,
    arbitrary: fc.constantFrom('GET /v2/models/iris?a=b HTTP/1.1', 'POST /v1/models/iris:predict HTTP/1.1'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'GET /v2/models/iris HTTP/1.0',
      'GET  /v2/models/iris HTTP/1.1',
      'POST /v2/models/a b/infer HTTP/1.1',
      'POST http://x/v2/models/iris/infer HTTP/1.1',
      'POST /v2/models/iris/infer HTTP/1.1 ',
      'POST /v2/models/iris/infer HTTP/2.0',
      'POST /v2/models/iris/infer',
      'POST /v2/models/<i>"/infer#x HTTP/1.1',
      'PUT /v2/models/iris/infer HTTP/1.1',
      'HEAD /v2/models/iris HTTP/1.1',
      'GET /api/v1/models HTTP/1.1',
      'post /v2/models/iris/infer HTTP/1.1',
    ),
  },
);

interface Mutation {
  readonly at: number;
  readonly removed: number;
  readonly added: string;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(200),
  removed: fc.nat(2),
  added: fc.constantFrom('', '\r', '\n', '\r\n', ' ', '\t', ':', '\0', '0', '\x80', '\r\n\r\n'),
});

/** A request, mostly plain; its body has the length that it announces, mostly. */
const request = fc
  .record({
    line: requestLine,
    host: fc.boolean(),
    lines: fc.array(fc.oneof({ weight: 6, arbitrary: plainLine }, { weight: 1, arbitrary: doubtfulLine }), {
      maxLength: 5,
    }),
    body: fc.constantFrom(
      '',
      '{}',
      'abc',
      'x'.repeat(5_000),
      'GET /v2/models/hidden HTTP/1.1\r\nhost: x\r\n\r\n',
    ),
    mutations: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Mutation[]>([]) },
      fc.array(mutation, { maxLength: 2 }),
    ),
  })
  .map(({ line, host, lines, body, mutations }) => {
    const length = line.startsWith('POST') ? [`content-length: ${body.length}`] : [];
    const sent = line.startsWith('POST') ? body : '';
    const all = [line, ...(host ? ['host: sluice'] : []), ...lines, ...length];
    return mutations.reduce(
      (text, { at, removed, added }) => text.slice(0, at) + added + text.slice(at + removed),
      `${all.join('\r\n')}\r\n\r\n${sent}`,
    );
  });

const toBytes = (text: string): Buffer => Buffer.from(text, 'latin1');

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: Record<string, unknown>;
  readonly isLast: boolean;
  body: string;
}

/** What node:http makes of the bytes: its first request, if it accepts one to its end. */
async function readByHttp(bytes: Buffer): Promise<Seen | undefined> {
  let seen: Seen | undefined;
  let isComplete = false;
  const server = createServer((req: IncomingMessage, res) => {
    if (seen) return;
    const one = {
      method: req.method,
      url: req.url,
      headers: { ...req.headers },
      isLast: !res.shouldKeepAlive,
      body: '',
    };
    seen = one;
    req.on('data', (chunk: Buffer) => (one.body += chunk.toString('latin1')));
    req.on('end', () => (isComplete = true));
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  const [callerSide, serverSide] = duplexPair();
  callerSide.on('error', () => undefined).resume();
  server.emit('connection', serverSide);
  callerSide.write(bytes);
  for (let i = 0; i < 6; i += 1) await new Promise(setImmediate);
  callerSide.destroy();
  serverSide.destroy();
  return isComplete ? seen : undefined;
}

describe('the head of a request', () => {
  it('is never accepted when llhttp refuses it, and means the same to both', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(request, async (text) => {
        const head = readHead(toBytes(text));
        if (typeof head === 'string') return;
        accepted += 1;
        // As long as it says, whatever the mutations left of it.
        const end = head.byteLength + head.contentLength;
        const bytes = toBytes(text.padEnd(end, 'y').slice(0, end));
        expect(await readByHttp(bytes)).toEqual({
          method: head.method,
          url: head.target,
          headers: { ...head.headers },
          isLast: head.isLast,
          body: bytes.toString('latin1', head.byteLength, end),
        });
      }),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(500);
  }, 60_000);

  it('is plain or not however it is cut, and waits only for what can still become plain', () => {
    fc.assert(
      fc.property(request, fc.nat(300), (text, cut) => {
        const [whole, part] = [readHead(toBytes(text)), readHead(toBytes(text.slice(0, cut)))];
        if (part === 'not plain') expect(whole).toBe('not plain');
        if (typeof part === 'object') expect(part).toEqual(whole);
      }),
      { numRuns: 3_000 },
    );
  });

  it('is not plain when it is larger than node:http takes, and not waited for either', () => {
    const flood = `GET /v2/models/iris HTTP/1.1\r\nhost: x\r\nx-flood: ${'y'.repeat(16_384)}`;
    expect(readHead(toBytes(flood))).toBe('not plain');
    expect(readHead(toBytes(`${flood}\r\n\r\n`))).toBe('not plain');
  });
});

interface Observed {
  readonly route: InferenceRoute;
  readonly method: string | undefined;
  readonly headers: Record<string, unknown>;
  body: string;
}

/** A server that notes each inference request and answers at once. */
class Recorder {
  observed: Observed[] = [];
  readonly server: Server;
  private lane: FastLane | undefined;
  private latest: Socket | undefined;

  constructor(hasFastLane: boolean) {
    this.server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
      const route = parseRoute(req.url ?? '');
      if (route.kind === 'inference') this.note(new HttpRequest(req, false), res, route.route);
      else res.writeHead(404, { connection: 'close' }).end();
    });
    this.server.on('checkContinue', (_req, res) => res.writeHead(404, { connection: 'close' }).end());
    this.server.on('upgrade', (_req, socket) => socket.destroy());
    const settings = { headersTimeoutMs: 60_000, keepAliveMs: 60_000, sweepEveryMs: 60_000 };
    if (hasFastLane)
      this.lane = openFastLane(this.server, { ...settings, holdBytes: limits.holdBytes }, (req, res, route) =>
        this.note(req, res, route),
      );
    this.server.prependListener('connection', (socket: Socket) => (this.latest = socket));
  }

  /** Sends the pieces on one connection. */
  async observe(
    pieces: readonly Buffer[],
  ): Promise<{ readonly observed: Observed[]; readonly isOpen: boolean }> {
    this.observed = [];
    const { port } = this.server.address() as AddressInfo;
    const accepted = once(this.server, 'connection');
    const socket = connect(port, '127.0.0.1').setNoDelay(true);
    socket.on('error', () => undefined).resume();
    await Promise.all([once(socket, 'connect'), accepted]);
    const { latest } = this;
    let sent = 0;
    for (const piece of pieces) {
      sent += piece.length;
      socket.write(piece);
      while (latest?.destroyed === false && latest.bytesRead < sent) await new Promise(setImmediate);
    }
    for (let i = 0; i < 10; i += 1) await new Promise(setImmediate);
    const isOpen = latest?.destroyed === false;
    socket.destroy();
    return { observed: this.observed, isOpen };
  }

  async close(): Promise<void> {
    this.lane?.close();
    this.server.closeAllConnections();
    const closed = once(this.server, 'close');
    this.server.close();
    await closed;
  }

  private note(req: CallerRequest, res: CallerResponse, route: InferenceRoute): void {
    const one: Observed = { route, method: req.method, headers: { ...req.headers }, body: 'incomplete' };
    this.observed.push(one);
    req.readBody(limits, (body) => {
      one.body = body.kind === 'held' ? (body.bytes?.toString('latin1') ?? '') : 'streamed';
      if (body.kind === 'streamed') req.readAway();
      res.writeHead(200, ['content-length', '2']).end(Buffer.from('ok'));
    });
  }
}

describe('a connection', () => {
  const [both, alone] = [new Recorder(true), new Recorder(false)];
  beforeAll(async () => {
    for (const { server } of [both, alone]) await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  afterAll(async () => {
    await both.close();
    await alone.close();
  });

  it('brings the same requests, with the same bodies, in the same order, with the fast lane and without', async () => {
    const cuts = fc.array(fc.nat(400), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 4 }), cuts, async (requests, at) => {
        const bytes = toBytes(requests.join(''));
        const ends = [...at.filter((cut) => cut > 0 && cut < bytes.length), bytes.length].sort(
          (a, b) => a - b,
        );
        const pieces = ends
          .map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
          .filter(({ length }) => length > 0);
        const [found, expected] = [await both.observe(pieces), await alone.observe(pieces)];
        // At nonsense node:http drops what it has read but not served yet; the lane serves that first.
        if (expected.isOpen) expect(found).toEqual(expected);
        for (const [index, one] of expected.observed.entries())
          if (one.body !== 'incomplete') expect(found.observed[index]).toEqual(one);
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});
