/** The public side as browsers and TLS clients meet it: certificates and their change, CORS, bodies that do not come to an end. */
import { once } from 'node:events';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import { packageRoot } from '#platform/program';
import {
  TestNode,
  TestRegistry,
  cleanUp,
  exchangeRaw,
  makeFolder,
  makeSnapshot,
  makeToken,
  onCleanUp,
  publish,
  startTestGateway,
} from './gateway-harness.js';

const fixture = (name: string): string => join(packageRoot, 'test/fixtures/tls', name);
const ca = await readFile(fixture('ca.pem'));
let registry: TestRegistry;
let node: TestNode;
let bearer: string;

beforeEach(async () => {
  registry = await TestRegistry.start();
  node = await TestNode.start('one');
  bearer = await makeToken(registry.keys);
});
afterEach(cleanUp);

async function start(settings: Parameters<typeof startTestGateway>[1]): Promise<Gateway> {
  const gateway = await startTestGateway(registry.url, settings);
  await publish(registry, gateway, makeSnapshot({ keys: registry.keys, versions: { 1: [node.replica] } }));
  return gateway;
}

describe('TLS', () => {
  let certFile: string;
  let keyFile: string;

  beforeEach(async () => {
    const folder = await makeFolder();
    [certFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
    await use('first');
  });

  async function use(name: string): Promise<void> {
    await copyFile(fixture(`${name}.pem`), certFile);
    await copyFile(fixture(`${name}.key`), keyFile);
  }

  const startTls = (settings: Parameters<typeof startTestGateway>[1] = {}): Promise<Gateway> =>
    start({ SLUICE_GATEWAY_TLS_CERT: certFile, SLUICE_GATEWAY_TLS_KEY: keyFile, ...settings });

  async function shakeHands(gateway: Gateway, options: ConnectionOptions = {}): Promise<TLSSocket> {
    const { hostname, port } = new URL(gateway.url);
    const socket = connectTls({ host: hostname, port: Number(port), ca, ...options });
    onCleanUp(async () => void socket.destroy());
    await once(socket, 'secureConnect');
    return socket;
  }

  const nameOf = (socket: TLSSocket): string => String(socket.getPeerCertificate().subject.CN);

  async function infer(socket: TLSSocket): Promise<string> {
    const answered = once(socket, 'data');
    const authorization = `authorization: Bearer ${bearer}`;
    socket.write(
      `POST /v2/models/iris/infer HTTP/1.1\r\nhost: x\r\n${authorization}\r\ncontent-length: 2\r\n\r\n{}`,
    );
    return String((await answered)[0]).split('\r\n', 1)[0] ?? '';
  }

  it('a changed certificate is used from then on, and no connection is dropped for it', async () => {
    const gateway = await startTls();
    expect(gateway.url).toMatch(/^https:/);
    const old = await shakeHands(gateway, { ALPNProtocols: ['h2', 'http/1.1'] });
    expect([nameOf(old), old.alpnProtocol, old.getProtocol()]).toEqual(['first', 'http/1.1', 'TLSv1.3']);
    expect(await infer(old)).toBe('HTTP/1.1 200 OK');
    await use('second');
    const deadlineMs = Date.now() + 10_000;
    while (nameOf(await shakeHands(gateway)) !== 'second') expect(Date.now()).toBeLessThan(deadlineMs);
    expect(await infer(old)).toBe('HTTP/1.1 200 OK');
    expect(nameOf(old)).toBe('first');
    expect(await infer(await shakeHands(gateway))).toBe('HTTP/1.1 200 OK');
  });

  it('below the least version there is no handshake, nor with a caller that only speaks HTTP/2', async () => {
    const gateway = await startTls({ SLUICE_GATEWAY_TLS_MIN_VERSION: 'TLSv1.3' });
    await expect(shakeHands(gateway, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/);
    await expect(shakeHands(gateway, { ALPNProtocols: ['h2'] })).rejects.toThrow(/no application protocol/);
  });

  it('tells the registry that the caller came by HTTPS', async () => {
    const gateway = await startTls();
    const asked = once(registry.server, 'request').then(
      ([req]) => req as { headers: Record<string, string> },
    );
    const socket = await shakeHands(gateway);
    socket.write('GET /api/v1/models HTTP/1.1\r\nhost: x\r\n\r\n');
    expect((await asked).headers['x-forwarded-proto']).toBe('https');
  });

  it('does not start without a key, nor with files that do not belong together', async () => {
    await expect(startTls({ SLUICE_GATEWAY_TLS_KEY: undefined })).rejects.toThrow(/go together/);
    await copyFile(fixture('second.key'), keyFile);
    await expect(startTls()).rejects.toThrow(/certificate of the public address cannot be used: .*mismatch/);
  });
});

describe('CORS', () => {
  const app = 'https://app.example';
  const allowed = (response: Response): string | null => response.headers.get('access-control-allow-origin');
  const preflight = (gateway: Gateway, path: string, origin: string): Promise<Response> =>
    fetch(gateway.url + path, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    });
  const infer = (gateway: Gateway, origin: string, token = bearer): Promise<Response> =>
    fetch(`${gateway.url}/v2/models/iris/infer`, {
      method: 'POST',
      body: '{}',
      headers: { authorization: `Bearer ${token}`, origin },
    });

  it('answers a preflight by itself, without a token, for both ways through the gateway', async () => {
    const gateway = await start({ SLUICE_GATEWAY_CORS_ORIGINS: app });
    for (const path of ['/v2/models/iris/infer', '/api/v1/models']) {
      const yes = await preflight(gateway, path, app);
      expect([yes.status, allowed(yes)]).toEqual([204, app]);
      expect(yes.headers.get('access-control-allow-headers')).toBe('authorization,content-type');
      expect(yes.headers.get('access-control-allow-methods')).toContain('DELETE');
      const no = await preflight(gateway, path, 'https://other.example');
      expect([no.status, allowed(no), no.headers.get('vary')]).toEqual([
        204,
        null,
        'origin, access-control-request-headers',
      ]);
    }
    expect(node.seen).toEqual([]);
  });

  it('lets allowed pages read answers and refusals, of nodes and of the registry, and nobody else', async () => {
    node.respond = (_req, res) => res.writeHead(200, { 'access-control-allow-origin': 'https://node' }).end();
    registry.other = (_req, res) => res.writeHead(200, { 'Access-Control-Allow-Origin': '*' }).end();
    const gateway = await start({ SLUICE_GATEWAY_CORS_ORIGINS: `${app}, http://localhost:3000` });
    const answers = [
      await infer(gateway, app),
      await infer(gateway, app, 'wrong'),
      await fetch(`${gateway.url}/api/v1/models`, { headers: { origin: app } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 200]);
    for (const answer of answers) {
      expect(allowed(answer)).toBe(app);
      expect(answer.headers.get('access-control-expose-headers')).toContain('x-request-id');
      expect(answer.headers.get('vary')).toContain('origin');
    }
    expect(allowed(await infer(gateway, 'http://localhost:3000'))).toBe('http://localhost:3000');
    expect(allowed(await infer(gateway, 'https://other.example'))).toBeNull();
    await registry.stop();
    const away = await fetch(`${gateway.url}/api/v1/models`, { headers: { origin: app } });
    expect([away.status, allowed(away)]).toEqual([503, app]);
  });

  it('is off by default, and takes any origin with a star', async () => {
    const off = await start({});
    expect((await preflight(off, '/v2/models/iris/infer', app)).status).toBe(405);
    expect(allowed(await infer(off, app))).toBeNull();
    const any = await start({ SLUICE_GATEWAY_CORS_ORIGINS: '*' });
    expect(allowed(await infer(any, 'https://anywhere.example'))).toBe('https://anywhere.example');
    await expect(start({ SLUICE_GATEWAY_CORS_ORIGINS: 'app.example/' })).rejects.toThrow(/is no origin/);
  });
});

describe('a body that does not come to its end', () => {
  const slow = (gateway: Gateway, path: string, deadlineMs: number): Promise<string> =>
    exchangeRaw(
      gateway.url,
      `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${bearer}\r\n` +
        `x-sluice-deadline-ms: ${deadlineMs}\r\ncontent-length: 20\r\n\r\n{"in`,
    );

  it.each(['/v2/models/iris/infer', '/v2/repository/index'])(
    'holds nothing longer than its bound: %s',
    async (path) => {
      const gateway = await start({ SLUICE_GATEWAY_BODY_TIMEOUT_MS: 300 });
      const startedMs = performance.now();
      const answer = await slow(gateway, path, 60_000);
      expect(answer).toMatch(/^HTTP\/1\.1 408 .*x-sluice-code: REQUEST_TIMEOUT/s);
      expect(performance.now() - startedMs).toBeLessThan(10_000);
      expect(node.seen).toEqual([]);
    },
  );

  it('nor longer than its deadline', async () => {
    const gateway = await start({});
    expect(await slow(gateway, '/v2/models/iris/infer', 200)).toMatch(/^HTTP\/1\.1 408 /);
  });
});
