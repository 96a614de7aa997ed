import { Problem } from '#contracts/errors';
import type { RouteSpec } from '#contracts/route';
import { routes } from '#contracts/routes';
import { once } from 'node:events';
import { connect } from 'node:net';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Readiness } from '../../apps/registry/src/health/readiness.js';
import { createDatabase } from '../support/postgres.js';
import { openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { migrate } from '../../apps/registry/src/schema.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

const specs = Object.values(routes).flatMap((group) => Object.values<RouteSpec>(group));
const example: Record<string, string> = { version: '1', sha256: 'a'.repeat(64) };
const pathOf = (spec: RouteSpec): string =>
  spec.path.replace(/\{(\w+)\}/g, (_, key: string) => example[key] ?? (key.endsWith('_id') ? uuidv7() : 'x'));
const label = (spec: RouteSpec): string => `${spec.method} ${spec.path}`;
const closed = specs.filter((spec) => spec.access !== 'open').map((spec) => [label(spec), spec] as const);
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const admin = () => bearer(registry.adminToken);
const problemOf = async (answer: Response) => {
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  const problem = Problem.parse(await answer.json());
  expect(problem.status).toBe(answer.status);
  expect(problem.request_id).toBe(answer.headers.get('x-request-id'));
  return problem;
};

describe('every route of the table', () => {
  it('is open only if it is health, JWKS or a way to sign in', () => {
    const open = specs.filter((spec) => spec.access === 'open').map((spec) => spec.path);
    expect(open).toEqual([
      '/health/live',
      '/health/ready',
      '/oauth/token',
      '/.well-known/jwks.json',
      '/api/v1/sessions',
      '/auth/providers',
      '/auth/{provider}/start',
      '/auth/{provider}/callback',
    ]);
  });

  it.each(closed)('%s refuses a caller without a token', async (_, spec) => {
    const answer = await registry.send(spec.method, pathOf(spec));
    expect(answer.status).toBe(401);
    expect((await problemOf(answer)).code).toBe('UNAUTHENTICATED');
  });

  it.each(closed)('%s refuses a wrong token before it reads the body', async (_, spec) => {
    const headers = { ...bearer('wrong'), 'content-type': 'application/json' };
    const body = spec.method === 'GET' ? null : '{"broken": ';
    const answer = await registry.send(spec.method, pathOf(spec), { headers, body });
    expect(answer.status).toBe(401);
    await answer.body?.cancel();
  });

  it('is served: none answers that there is nothing', async () => {
    for (const spec of specs.filter((each) => each.responseMedia !== 'event-stream')) {
      const answer = await registry.send(spec.method, pathOf(spec), { headers: admin() });
      const text = await answer.text();
      expect(text, label(spec)).not.toContain('"code":"NOT_FOUND"');
      expect(text, label(spec)).not.toContain('"code":"INTERNAL"');
    }
  });

  it('refuses a token that lacks its scope, and names the scope', async () => {
    const stranger = await registry.caller('infer');
    const withoutScope = ['open', 'authenticated', 'join-node', 'join-gateway'];
    for (const spec of specs.filter(({ access }) => !withoutScope.includes(access))) {
      const answer = await registry.send(spec.method, pathOf(spec), { headers: bearer(stranger.token) });
      expect(answer.status, label(spec)).toBe(403);
      expect((await problemOf(answer)).detail).toContain(`"${spec.access}"`);
    }
  });
});

describe('an address outside the table', () => {
  it.each(['/', '/nothing', '/api/v1', '/api/v1/modelz', '/api/v1/models/a/b/c', '/healthy', '/admin'])(
    '%s needs a token first, and is then nothing',
    async (path) => {
      expect((await registry.send('GET', path)).status).toBe(401);
      const answer = await registry.send('GET', path, { headers: admin() });
      expect(answer.status).toBe(404);
      expect((await problemOf(answer)).code).toBe('NOT_FOUND');
    },
  );

  it('says which methods it takes when it is known, to those who may ask', async () => {
    expect((await registry.send('DELETE', '/api/v1/clients')).status).toBe(401);
    const refused = await registry.send('DELETE', '/api/v1/clients', { headers: admin() });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
    expect(await refused.json()).toMatchObject({ code: 'METHOD_NOT_ALLOWED' });
    expect((await registry.send('POST', '/health/live')).status).toBe(401);
  });
});

describe('a request', () => {
  const json = () => ({ ...admin(), 'content-type': 'application/json' });
  const post = (body: string, headers: Record<string, string> = json()) =>
    registry.send('POST', '/api/v1/clients', { body, headers });

  it.each([
    ['not JSON', '{"name":', 400, 'INVALID_JSON'],
    ['a poisoned prototype', '{"__proto__": {"admin": true}}', 400, 'INVALID_JSON'],
    ['null', 'null', 400, 'INVALID_REQUEST'],
    ['a list', '[]', 400, 'INVALID_REQUEST'],
    ['an unknown field', '{"name":"a","scopes":["infer"],"colour":"red"}', 400, 'INVALID_REQUEST'],
    ['too much', JSON.stringify({ name: 'x'.repeat(1_100_000) }), 413, 'PAYLOAD_TOO_LARGE'],
  ])('with a body that is %s is refused', async (_, body, status, code) => {
    const problem = await problemOf(await post(body));
    expect(problem).toMatchObject({ status, code });
  });

  it('of another content type is refused', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ]) {
      const problem = await problemOf(await post('name=a', { ...admin(), 'content-type': type }));
      expect(problem.code).toBe('UNSUPPORTED_MEDIA_TYPE');
    }
  });

  it('names each wrong field of params, query and body', async () => {
    const answer = await registry.send('GET', '/api/v1/audit?page_size=0&colour=red', { headers: admin() });
    const { errors } = await problemOf(answer);
    expect(errors?.map(({ path }) => path)).toEqual(expect.arrayContaining(['query.page_size', 'query']));
    const quota = await registry.send('PATCH', '/api/v1/quotas/7', {
      headers: json(),
      body: '{"limit":"a"}',
    });
    const rows = (await problemOf(quota)).errors?.map(({ path }) => path);
    expect(rows).toEqual(['params.quota_id', 'body.limit']);
  });

  it('keeps a sane request id and gets a new one for any other', async () => {
    const idOf = async (given: string) =>
      (await registry.send('GET', '/health/live', { headers: { 'x-request-id': given } })).headers.get(
        'x-request-id',
      );
    expect(await idOf('order-17/a')).toBe('order-17/a');
    for (const bad of ['a b', 'x'.repeat(129), '<script>', '"'])
      expect(await idOf(bad)).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is answered with security headers, success or not', async () => {
    for (const path of ['/health/live', '/nothing', '/%ff']) {
      const { headers } = await registry.send('GET', path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-request-id')).toBeTruthy();
    }
  });

  it('with a path that cannot be decoded is refused', async () => {
    expect((await problemOf(await registry.send('GET', '/%ff'))).code).toBe('INVALID_REQUEST');
  });

  it('may be as long as the longest name, percent-encoded', async () => {
    const path = `/api/v1/clients/${encodeURIComponent('ä'.repeat(255))}/disable`;
    const problem = await problemOf(await registry.send('POST', path, { headers: admin() }));
    expect(problem.code).toBe('CLIENT_NOT_FOUND');
  });

  it('with a zero byte in a text is the caller’s mistake', async () => {
    const path = '/api/v1/audit?actor=a%00b';
    const problem = await problemOf(await registry.send('GET', path, { headers: admin() }));
    expect(problem.code).toBe('INVALID_REQUEST');
  });

  it.each([
    ['headers that are too large', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['no HTTP at all', 'hello\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 400],
  ])('with %s gets a problem and no more', async (_, raw, status) => {
    const { hostname, port } = new URL(registry.url);
    const socket = connect(Number(port), hostname);
    socket.end(raw);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(socket, 'close');
    const [head = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(Problem.parse(JSON.parse(body)).status).toBe(status);
  });
});

describe('a failure inside', () => {
  it('tells the caller nothing but the request id', async () => {
    await registry.dataSource.query('ALTER TABLE quotas RENAME COLUMN name TO secret_name');
    const answer = await registry.send('GET', '/api/v1/quotas', { headers: admin() });
    await registry.dataSource.query('ALTER TABLE quotas RENAME COLUMN secret_name TO name');
    const text = await answer.clone().text();
    expect((await problemOf(answer)).code).toBe('INTERNAL');
    expect(text).not.toMatch(/quotas|secret_name|select|at \w+/i);
  });
});

describe('health', () => {
  it('says that a process is not ready when it closes, but alive', async () => {
    const database = await createDatabase(inject('postgresUrl'));
    await migrate(database.url);
    const other = await openRegistry(database.url, {});
    expect((await other.send('GET', '/health/ready')).status).toBe(200);
    other.app.get(Readiness).drain();
    expect((await problemOf(await other.send('GET', '/health/ready'))).code).toBe('NOT_READY');
    expect((await other.send('GET', '/health/live')).status).toBe(200);
    await other.close();
    await database.drop();
  });

  it('says that the database is gone; the API answers 503 to be tried again', async () => {
    const database = await createDatabase(inject('postgresUrl'));
    await migrate(database.url);
    const other = await openRegistry(database.url, {});
    await database.drop();
    const ready = await problemOf(await other.send('GET', '/health/ready'));
    expect(ready).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true });
    expect((await other.send('GET', '/health/live')).status).toBe(200);
    const headers = bearer(other.adminToken);
    const answer = await other.send('GET', '/api/v1/clients', { headers });
    expect(answer.headers.get('retry-after')).toBe('1');
    expect((await problemOf(answer)).code).toBe('DATABASE_UNAVAILABLE');
    await other.close();
  });
});

describe('closing', () => {
  it('finishes what is in flight and takes no new connection', async () => {
    const database = await createDatabase(inject('postgresUrl'));
    await migrate(database.url);
    const other = await openRegistry(database.url, {});
    const { clientId } = await other.caller('infer');
    const lock = other.dataSource.createQueryRunner();
    await lock.startTransaction();
    await lock.query('SELECT 1 FROM clients WHERE client_id = $1 FOR UPDATE', [clientId]);
    const path = `/api/v1/clients/${clientId}/disable`;
    const inFlight = other.send('POST', path, { headers: bearer(other.adminToken) });
    await waitForBlockedStatement(other);
    const closed = other.close();
    await expect
      .poll(() =>
        other.send('GET', '/health/live').then(
          () => 'open',
          () => 'refused',
        ),
      )
      .toBe('refused');
    await lock.rollbackTransaction();
    await lock.release();
    const answer = await inFlight;
    expect(answer.status).toBe(200);
    await answer.body?.cancel();
    await closed;
    await database.drop();
  });
});

async function waitForBlockedStatement({ dataSource }: TestRegistry): Promise<void> {
  const blocked = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  await expect.poll(async () => (await dataSource.query<unknown[]>(blocked)).length).toBe(1);
}
