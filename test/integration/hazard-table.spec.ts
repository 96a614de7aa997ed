/** The hazards of proxying, each on every way through the gateway, with raw TCP on either side. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cleanUp, exchangeRaw, openSocket, until } from './gateway-harness.js';
import { openWay, wayNames } from './hazard-ways.js';
import type { Way } from './hazard-ways.js';
import { okAnswer } from './raw-upstream.js';

const holdBytes = 4_096;
const hidden = 'GET /admin/hidden HTTP/1.1\r\nhost: x\r\nx-user: root\r\n\r\n';
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

/** Collects what a socket gets; resolves with all of it when the other side closes. */
const untilClosed = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    socket.on('close', () => resolve(text));
  });

describe.each(wayNames)('%s', (name) => {
  let way: Way;
  const ask = (fields: string, body = '', method = 'POST'): Promise<string> =>
    exchangeRaw(way.gateway.url, way.head(fields, method) + body);

  beforeEach(async () => {
    way = await openWay(name, { SLUICE_GATEWAY_HOLD_BYTES: holdBytes });
  });
  afterEach(cleanUp);

  describe('callers that leave', () => {
    it('before the answer: the work upstream is cancelled', async () => {
      way.upstream.onRequest = () => undefined;
      const socket = await openSocket(way.gateway.url);
      socket.write(`${way.head('content-length: 2\r\n')}{}`);
      await until(() => way.upstream.arrived.length === 1, 'request upstream');
      socket.destroy();
      await until(() => way.upstream.closed === 1, 'cancelled');
      await until(() => way.gateway.core.inFlight === 0, 'counted out');
    });

    it('in the middle of their body: it is cut off upstream as well', async () => {
      const socket = await openSocket(way.gateway.url);
      socket.write(`${way.head('content-length: 100000\r\n')}${'x'.repeat(holdBytes * 2)}`);
      await until(() => way.upstream.requests[0]?.bodyBytes === holdBytes * 2, 'half upstream');
      socket.resetAndDestroy();
      await until(() => way.upstream.closed === 1, 'cancelled');
      expect(way.upstream.arrived).toEqual([]);
      await until(() => way.gateway.core.inFlight === 0, 'counted out');
    });

    it('in the middle of the answer: the work upstream is cancelled', async () => {
      way.upstream.onRequest = ({ socket }) =>
        socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n');
      const socket = await openSocket(way.gateway.url);
      socket.write(`${way.head('content-length: 2\r\n')}{}`);
      await once(socket, 'data');
      socket.destroy();
      await until(() => way.upstream.closed === 1, 'cancelled');
    });
  });

  describe('upstreams that break', () => {
    it.each([
      ['a fixed length', 'content-length: 100', 'part'],
      ['chunks', 'transfer-encoding: chunked', '4\r\npart\r\n'],
    ])('in the middle of an answer with %s: the caller sees the cut', async (_, framing, part) => {
      way.upstream.onRequest = ({ socket }) =>
        socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${part}`, () => socket.resetAndDestroy());
      const text = await ask('content-length: 2\r\n', '{}');
      expect(text).toMatch(/^HTTP\/1\.1 200 /);
      expect(text).not.toContain('0\r\n\r\n');
      expect(text.endsWith('part') || text.endsWith('4\r\npart\r\n') || text.endsWith('\r\n\r\n')).toBe(true);
    });

    it.each([
      ['says nothing', ''],
      ['is no HTTP', 'hello\r\n\r\n'],
      ['has two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok'],
      [
        'has length and chunks',
        'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      ],
    ])('with an answer that %s: the caller gets ours', async (_, answer) => {
      way.upstream.onRequest = ({ socket }) => socket.end(answer);
      expect(await ask('content-length: 2\r\nconnection: close\r\n', '{}')).toMatch(way.failed);
    });

    it('with a reset of a reused connection: the request is sent once more', async () => {
      way.upstream.onRequest = ({ socket, ofSocket }) => {
        if (ofSocket === 1) socket.write(okAnswer);
        else socket.resetAndDestroy();
      };
      for (let i = 0; i < 10; i++)
        expect(await ask('connection: close\r\n', '', 'GET')).toMatch(/^HTTP\/1\.1 200 /);
    });

    it('with more than one answer: the surplus never reaches another caller', async () => {
      way.upstream.onRequest = ({ socket, target }) =>
        socket.write(target.includes('?') ? okAnswer : okAnswer + okAnswer.replace('ok', 'no'));
      for (let i = 0; i < 5; i++) {
        const answer = await ask('connection: close\r\n', '', 'GET');
        expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*ok$/);
        await new Promise(setImmediate);
      }
    });
  });

  describe('headers', () => {
    it('of a connection stay on it, in both directions, and cannot take ours away', async () => {
      way.upstream.onRequest = ({ socket }) =>
        socket.write(
          'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive, x-secret, x-request-id\r\nkeep-alive: timeout=77\r\n' +
            'x-secret: 1\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\ntrailer: x\r\nx-kept: a\r\nx-kept: b\r\n\r\nok',
        );
      const answer = await ask(
        'content-length: 2\r\nconnection: close, x-request-id, x-listed, authorization, x-forwarded-for\r\nkeep-alive: 5\r\nte: trailers\r\n' +
          'proxy-authorization: x\r\nproxy-connection: x\r\nx-listed: 1\r\nx-request-id: mine\r\n',
        '{}',
      );
      expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*x-kept: a\r\nx-kept: b\r\n/);
      for (const field of ['x-secret', 'proxy-authenticate', 'upgrade:', 'trailer:', 'timeout=77'])
        expect(answer.toLowerCase(), field).not.toContain(field);
      const head = way.upstream.requests[0]?.head ?? '';
      expect(head).toContain('\r\nx-request-id: ');
      for (const field of ['keep-alive: 5', '\r\nte:', 'proxy-', 'x-listed'])
        expect(head, field).not.toContain(field);
    });

    it('with which a caller could pretend to be someone do not get through', async () => {
      await ask(
        'content-length: 2\r\nconnection: close\r\nx-sluice-node: forged\r\nX-Sluice-Client: forged\r\nx-forwarded-user: forged\r\nforwarded: for=6.6.6.6\r\n' +
          'x-real-ip: 6.6.6.6\r\nx-forwarded-for: 6.6.6.6\r\nx-forwarded-host: forged\r\n',
        '{}',
      );
      const head = way.upstream.requests[0]?.head ?? '';
      expect(head).not.toMatch(/forged|6\.6\.6\.6/);
    });

    it('that are too large are refused', async () => {
      expect(await ask(`x-flood: ${'y'.repeat(32_768)}\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
      expect(way.upstream.requests).toEqual([]);
    });

    it('that are very many hide no framing', async () => {
      const flood = 'a:\r\n'.repeat(2_500);
      for (const method of ['GET', 'DELETE', 'POST'])
        await ask(
          `connection: close\r\n${flood}transfer-encoding: chunked\r\n`,
          `${chunk(hidden)}0\r\n\r\n`,
          method,
        );
      expect(way.upstream.requests.filter(({ target }) => target.includes('hidden'))).toEqual([]);
    });
  });

  describe('smuggling', () => {
    it.each([
      ['TE and CL', 'content-length: 6\r\ntransfer-encoding: chunked\r\n', '0\r\n\r\nG'],
      ['two CL', 'content-length: 2\r\ncontent-length: 3\r\n', '{}x'],
      ['a list of CL', 'content-length: 2, 2\r\n', '{}'],
      ['a signed CL', 'content-length: +2\r\n', '{}'],
      ['unknown TE', 'transfer-encoding: xchunked\r\n', '0\r\n\r\n'],
      ['TE with chunked not last', 'transfer-encoding: chunked, identity\r\n', '0\r\n\r\n'],
      ['a bad chunk size', 'transfer-encoding: chunked\r\n', 'zz\r\n{}\r\n0\r\n\r\n'],
      ['a bad end of a chunk', 'transfer-encoding: chunked\r\n', '2\r\n{}G0\r\n\r\n'],
      ['a folded header', 'x-a: b\r\n c\r\ncontent-length : 2\r\n', '{}'],
      ['a bare LF', 'x-a: b\ncontent-length: 2\r\n', '{}'],
      ['a bare CR', 'x-a: b\rcontent-length: 2\r\n', '{}'],
      ['a space before the colon', 'transfer-encoding : chunked\r\n', '0\r\n\r\n'],
    ])('%s is refused and nothing arrives whole upstream', async (_, fields, body) => {
      expect(await ask(fields, body + hidden)).toMatch(/^HTTP\/1\.1 400 /);
      expect(way.upstream.arrived).toEqual([]);
    });

    it('a chunked HTTP/1.0 request is refused', async () => {
      const bytes = `${way.head('transfer-encoding: chunked\r\n', 'POST', '1.0')}0\r\n\r\n`;
      expect(await exchangeRaw(way.gateway.url, bytes)).toMatch(/^HTTP\/1\.1 400 /);
      expect(way.upstream.requests).toEqual([]);
    });

    it.each(['GET', 'DELETE', 'HEAD', 'OPTIONS', 'POST'])(
      'a %s with a body, chunked or not, is one well framed request upstream or none',
      async (method) => {
        for (const [fields, body] of [
          ['transfer-encoding: chunked\r\n', `${chunk(hidden)}0\r\n\r\n`],
          [`content-length: ${hidden.length}\r\n`, hidden],
        ] as const) {
          way.upstream.requests.length = 0;
          await ask(`${fields}connection: close\r\n`, body, method);
          expect(way.upstream.requests.length).toBeLessThanOrEqual(1);
          for (const [target, arrived] of way.upstream.arrived) {
            expect(target).not.toContain('hidden');
            expect(['', hidden]).toContain(arrived);
          }
        }
      },
    );

    it('pipelined requests get their own answers, in order', async () => {
      way.upstream.onRequest = ({ socket, body }) =>
        void setTimeout(
          () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`),
          body === 'a' ? 50 : 0,
        );
      const one = (body: string, more = ''): string =>
        `${way.head(`content-length: ${body.length}\r\n${more}`)}${body}`;
      const text = await exchangeRaw(
        way.gateway.url,
        one('a') + one('bb') + one('ccc', 'connection: close\r\n'),
      );
      expect([...text.matchAll(/\r\n\r\n(a|bb|ccc)/g)].map(([, body]) => body)).toEqual(['a', 'bb', 'ccc']);
    });
  });

  it('pipelined requests whose caller hangs up hold nothing any more', async () => {
    way.upstream.onRequest = () => undefined;
    const socket = await openSocket(way.gateway.url);
    socket.write(`${way.head('content-length: 2\r\n')}{}`.repeat(5));
    await until(() => way.upstream.requests.length > 0, 'the first is upstream');
    socket.destroy();
    await until(() => way.gateway.core.inFlight === 0, 'counted out');
  });

  it('Expect: 100-continue is answered here, and goes no further', async () => {
    const socket = await openSocket(way.gateway.url);
    socket.write(way.head('content-length: 2\r\nconnection: close\r\nexpect: 100-continue\r\n'));
    expect(String((await once(socket, 'data'))[0])).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    const rest = untilClosed(socket);
    socket.write('{}');
    expect(await rest).toMatch(/^HTTP\/1\.1 200 /);
    expect(way.upstream.requests[0]?.head).not.toContain('expect');
  });

  it('an upstream that refuses a body early is heard', async () => {
    way.upstream.onHead = ({ socket }) =>
      socket.write('HTTP/1.1 413 No\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig');
    way.upstream.onRequest = () => undefined;
    const socket = await openSocket(way.gateway.url);
    const answer = untilClosed(socket);
    socket.write(
      `${way.head('content-length: 1000000\r\nconnection: close\r\n')}${'x'.repeat(holdBytes * 2)}`,
    );
    expect(await answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('Upgrade to what we do not speak is ignored', async () => {
    for (const connection of ['Upgrade, HTTP2-Settings', 'close, upgrade']) {
      const socket = await openSocket(way.gateway.url);
      socket.write(
        `${way.head(`connection: ${connection}\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\ncontent-length: 2\r\n`)}{}`,
      );
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
      socket.destroy();
    }
    expect(way.upstream.arrived.map(([, body]) => body)).toEqual(['{}', '{}']);
    expect(way.upstream.requests[0]?.head).not.toMatch(/upgrade|http2/);
  });
});

describe.each(wayNames)('slow callers: %s', (name) => {
  afterEach(cleanUp);

  it('a head that does not end is cut off', async () => {
    const way = await openWay(name, { SLUICE_GATEWAY_HEADERS_TIMEOUT_MS: 200 });
    const socket = await openSocket(way.gateway.url);
    const answer = untilClosed(socket);
    socket.write(way.head('x-slow: 1\r\n').slice(0, -2));
    const drip = setInterval(() => socket.write('x-a: b\r\n'), 50);
    expect(await answer).toMatch(/^HTTP\/1\.1 408 /);
    clearInterval(drip);
    expect(way.upstream.requests).toEqual([]);
  });
});
