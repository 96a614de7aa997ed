/** Who may call, which version answers, and how much: the gateway's stages from authenticate to admit. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Explanation } from '../../apps/gateway/src/admin/explain.js';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import {
  TestNode,
  TestRegistry,
  cleanUp,
  makeKeys,
  makeSnapshot,
  makeToken,
  publish,
  startTestGateway,
  until,
} from './gateway-harness.js';
import type { SnapshotWishes, TokenWishes } from './gateway-harness.js';

let registry: TestRegistry;
let gateway: Gateway;
let one: TestNode;
let two: TestNode;
let revision: number;

const set = (wishes: Partial<SnapshotWishes>): Promise<void> =>
  publish(
    registry,
    gateway,
    makeSnapshot({
      keys: registry.keys,
      revision: ++revision,
      versions: { 1: [one.replica], 2: [two.replica] },
      ...wishes,
    }),
  );

beforeEach(async () => {
  revision = 0;
  registry = await TestRegistry.start();
  [one, two] = [await TestNode.start('one'), await TestNode.start('two')];
  gateway = await startTestGateway(registry.url);
  await set({});
  await gateway.ready;
});
afterEach(cleanUp);

const token = (wishes?: TokenWishes): Promise<string> => makeToken(registry.keys, wishes);

async function adminGet(path: string): Promise<string> {
  const headers = { authorization: `Bearer ${await token({ scope: 'admin' })}` };
  return (await fetch(gateway.adminUrl + path, { headers })).text();
}

interface Wishes {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}
async function infer(bearer: string | undefined, { path, method, headers }: Wishes = {}): Promise<Response> {
  return fetch(`${gateway.url}${path ?? '/v2/models/iris/infer'}`, {
    method: method ?? 'POST',
    headers: {
      'content-type': 'application/json',
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...headers,
    },
    body: (method ?? 'POST') === 'POST' ? '{"inputs":[]}' : null,
  });
}
const failure = async (response: Response): Promise<unknown[]> => {
  const body = (await response.json()) as { error: unknown };
  expect(body).toEqual({ error: expect.any(String) });
  return [response.status, response.headers.get('x-sluice-code')];
};

describe('a prediction', () => {
  it('reaches the node with our headers, and the caller with the version', async () => {
    const response = await infer(await token(), {
      headers: {
        'x-request-id': 'req-7',
        'inference-header-content-length': '13',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        'x-sluice-deadline-ms': '1500',
        'x-sluice-node': 'forged',
        'x-forwarded-user': 'root',
        cookie: 'a=b',
      },
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ node: 'one', path: '/v2/models/iris/versions/1/infer' });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-request-id': 'req-7',
      'x-sluice-version': '1',
      'x-sluice-node': one.id,
    });
    const [seen] = one.seen;
    expect(seen?.body.toString()).toBe('{"inputs":[]}');
    expect(seen?.headers).toMatchObject({
      authorization: 'Bearer gateway-credential',
      'content-type': 'application/json',
      'x-request-id': 'req-7',
      'inference-header-content-length': '13',
      // The caller's trace, and the gateway's part in it.
      traceparent: expect.stringMatching(
        /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/,
      ),
    });
    expect(Number(seen?.headers['x-sluice-deadline-ms'])).toBeGreaterThan(1_000);
    expect(Number(seen?.headers['x-sluice-deadline-ms'])).toBeLessThanOrEqual(1_500);
    for (const dropped of ['cookie', 'x-sluice-node', 'x-forwarded-user'])
      expect(seen?.headers).not.toHaveProperty(dropped);
  });

  it('gets a request id when it brings none or a bad one', async () => {
    for (const headers of [{}, { 'x-request-id': 'a b"c' }]) {
      const response = await infer(await token(), { headers });
      expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      expect(one.seen.at(-1)?.headers['x-request-id']).toBe(response.headers.get('x-request-id'));
    }
  });

  it('asks a replica for metadata and readiness', async () => {
    for (const [path, atNode] of [
      ['/v2/models/iris', '/v2/models/iris/versions/1'],
      ['/v2/models/iris/ready', '/v2/models/iris/versions/1/ready'],
      ['/v2/models/iris/versions/2', '/v2/models/iris/versions/2'],
      ['/v2/models/iris/versions/2/ready?x=1', '/v2/models/iris/versions/2/ready'],
    ] as const) {
      const response = await infer(await token(), { path, method: 'GET' });
      expect(await response.json()).toMatchObject({ path: atNode });
    }
  });
});

describe('authentication', () => {
  it('refuses what is not a valid token, with a challenge', async () => {
    const stranger = await makeKeys('k1');
    const cases: [string, string | undefined][] = [
      ['none', undefined],
      ['garbage', 'abc'],
      ['expired', await token({ expiresInS: -60 })],
      ['audience', await token({ audience: 'else' })],
      ['other key', await makeToken(stranger)],
      ['alg none', `${btoa('{"alg":"none"}').replace(/=/g, '')}.e30.`],
    ];
    for (const [name, bearer] of cases) {
      const response = await infer(bearer);
      expect(response.headers.get('www-authenticate'), name).toMatch(/^Bearer /);
      expect(await failure(response), name).toEqual([401, 'UNAUTHENTICATED']);
    }
    expect(one.seen).toHaveLength(0);
  });

  it('serves a known token from its cache, but not past its expiry nor its key', async () => {
    const bearer = await token();
    expect((await infer(bearer)).status).toBe(200);
    expect((await infer(bearer)).status).toBe(200);
    const dying = await token({ expiresInS: -4 });
    expect((await infer(dying)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await infer(dying)).status).toBe(401);
    await set({ keys: await makeKeys('k2') });
    expect((await infer(bearer)).status).toBe(401);
  });

  it('refuses a disabled client at once, although its token is known', async () => {
    const bearer = await token({ client: 'gone' });
    expect((await infer(bearer)).status).toBe(200);
    await set({ disabledClients: ['gone'] });
    expect(await failure(await infer(bearer))).toEqual([403, 'CLIENT_DISABLED']);
    await set({});
    expect((await infer(bearer)).status).toBe(200);
  });

  it('asks for the scope before it says whether the endpoint exists', async () => {
    for (const [scope, path, status] of [
      ['infer:iris', '/v2/models/iris/infer', 200],
      ['admin', '/v2/models/iris/infer', 200],
      ['infer:other', '/v2/models/iris/infer', 403],
      ['models:write', '/v2/models/nothing/infer', 403],
      ['gateway', '/v2/models/iris/infer', 403],
      ['infer', '/v2/models/nothing/infer', 404],
    ] as const)
      expect((await infer(await token({ scope }), { path })).status, `${scope} ${path}`).toBe(status);
  });

  it('leaves only health open', async () => {
    for (const [path, status] of [
      ['/v2/health/live', 200],
      ['/v2/health/ready', 200],
      ['/v2', 401],
      ['/v2/models/iris', 401],
      ['/v2/models/iris/ready', 401],
    ] as const)
      expect((await infer(undefined, { path, method: 'GET' })).status, path).toBe(status);
    const server = await infer(await token({ scope: 'models:read' }), { path: '/v2', method: 'GET' });
    expect(await server.json()).toMatchObject({
      name: 'sluice',
      extensions: expect.arrayContaining(['binary_tensor_data']),
    });
  });
});

describe('resolution', () => {
  const versionOf = async (bearer: string, wishes?: Wishes): Promise<string | null> => {
    const response = await infer(bearer, wishes);
    await response.arrayBuffer();
    return response.headers.get('x-sluice-version');
  };

  it('follows rules, then pins and aliases, then the split', async () => {
    await set({
      aliases: { champion: 2 },
      traffic: {
        rules: [{ header: 'X-Beta', value: 'yes', version: 'champion' }],
        split: [{ version: 1, weight: 1 }],
      },
    });
    const bearer = await token();
    expect(await versionOf(bearer)).toBe('1');
    expect(await versionOf(bearer, { headers: { 'x-beta': 'yes' } })).toBe('2');
    expect(await versionOf(bearer, { path: '/v2/models/iris/versions/2/infer' })).toBe('2');
    expect(await versionOf(bearer, { path: '/v2/models/iris/versions/champion/infer' })).toBe('2');
    expect(await versionOf(bearer, { path: '/v2/models/%69ris/versions/1/infer' })).toBe('1');
  });

  it('splits by weight, and a change of weights holds at once', async () => {
    const canary = (weight: number): Promise<void> =>
      set({
        traffic: {
          split: [
            { version: 1, weight: 100 - weight },
            { version: 2, weight },
          ],
        },
      });
    const bearer = await token();
    const share = async (): Promise<number> => {
      const answers = await Promise.all(Array.from({ length: 1_000 }, () => versionOf(bearer)));
      return answers.filter((version) => version === '2').length / answers.length;
    };
    await canary(30);
    expect(Math.abs((await share()) - 0.3)).toBeLessThan(0.07);
    await canary(100);
    expect(await share()).toBe(1);
  });

  it('keeps a sticky caller on its version', async () => {
    const split = [
      { version: 1, weight: 1 },
      { version: 2, weight: 1 },
    ];
    await set({ traffic: { split, sticky: { by: 'header', name: 'x-user' } } });
    const bearer = await token();
    const seen = new Set<string | null>();
    for (let user = 0; user < 20; user++) {
      const headers = { 'x-user': `user-${user}` };
      const first = await versionOf(bearer, { headers });
      expect(await versionOf(bearer, { headers })).toBe(first);
      seen.add(first);
    }
    expect(seen.size).toBe(2);
    await set({ traffic: { split, sticky: { by: 'claim', name: 'team' } } });
    for (const team of ['a', 'b', 'c', 'd']) {
      const own = await token({ claims: { team } });
      expect(await versionOf(own)).toBe(await versionOf(own));
    }
  });

  it('gives a version without a READY replica nothing', async () => {
    const split = [
      { version: 1, weight: 1 },
      { version: 2, weight: 99 },
    ];
    await set({ versions: { 1: [one.replica], 2: [] }, traffic: { split } });
    const bearer = await token();
    for (let i = 0; i < 20; i++) expect(await versionOf(bearer)).toBe('1');
    expect(await failure(await infer(bearer, { path: '/v2/models/iris/versions/2/infer' }))).toEqual([
      503,
      'NO_READY_REPLICA',
    ]);
    await set({ versions: { 1: [], 2: [] }, traffic: { split } });
    const none = await infer(bearer);
    expect(none.headers.get('retry-after')).toBe('1');
    expect(await failure(none)).toEqual([503, 'NO_READY_REPLICA']);
  });

  it('tells what is missing', async () => {
    const bearer = await token();
    for (const [path, code] of [
      ['/v2/models/nothing/infer', 'ENDPOINT_NOT_FOUND'],
      ['/v2/models/iris/versions/9/infer', 'VERSION_NOT_FOUND'],
      ['/v2/models/iris/versions/none/infer', 'ALIAS_NOT_FOUND'],
      ['/v2/models/iris/versions//infer', 'NOT_FOUND'],
      ['/v2/models/iris/versions/1/infer/more', 'NOT_FOUND'],
      ['/v2/models/%E0%A4%A/infer', 'NOT_FOUND'],
      ['/v2/elsewhere', 'NOT_FOUND'],
    ] as const)
      expect(await failure(await infer(bearer, { path })), path).toEqual([404, code]);
    await set({ traffic: { split: [] } });
    expect(await failure(await infer(bearer))).toEqual([503, 'NO_TRAFFIC']);
  });

  it('refuses other methods and names the right ones', async () => {
    const bearer = await token();
    for (const [method, path, allow] of [
      ['GET', '/v2/models/iris/infer', 'POST'],
      ['DELETE', '/v2/models/iris', 'GET, HEAD'],
      ['PUT', '/v2/health/live', 'GET, HEAD'],
    ] as const) {
      const response = await infer(bearer, { method, path });
      expect(response.headers.get('allow')).toBe(allow);
      expect(await failure(response)).toEqual([405, 'METHOD_NOT_ALLOWED']);
    }
  });
});

describe('quotas', () => {
  it('admit up to the limit, say what is left, and refuse with the reset', async () => {
    await set({ quotas: [{ name: 'perday', window: 'day', limit: 3 }] });
    const bearer = await token();
    for (const left of [2, 1, 0]) {
      const response = await infer(bearer);
      expect(response.status).toBe(200);
      expect(response.headers.get('ratelimit-policy')).toBe('"perday";q=3;w=86400');
      expect(response.headers.get('ratelimit')).toMatch(new RegExp(`^"perday";r=${left};t=\\d+$`));
    }
    const refused = await infer(bearer);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused.headers.get('ratelimit')).toMatch(/^"perday";r=0;t=\d+$/);
    expect(refused.headers.get('x-sluice-quota')).toMatch(
      /^"perday";unit="requests";limit=3;used=3;reserved=0;needed=1;reset=\d+$/,
    );
    expect(await failure(refused)).toEqual([429, 'QUOTA_EXCEEDED']);
    const asked = await infer(bearer, { headers: { accept: 'application/problem+json' } });
    expect(asked.headers.get('content-type')).toBe('application/problem+json');
    expect(await asked.json()).toMatchObject({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      status: 429,
      code: 'QUOTA_EXCEEDED',
      'violated-policies': ['perday'],
      quota: { name: 'perday', unit: 'requests', window: 'day', limit: 3, used: 3, reserved: 0, needed: 1 },
    });
    expect(one.seen).toHaveLength(3);
    expect((await infer(await token({ client: 'another' }))).status).toBe(200);
    expect((await infer(bearer, { path: '/v2/models/iris', method: 'GET' })).status).toBe(200);
  });

  it('charge nothing when one of them refuses', async () => {
    const wide = { name: 'wide', window: 'day', limit: 10, per_client: false } as const;
    await set({ quotas: [wide, { name: 'mine', window: 'day', limit: 1, client_id: 'greedy' }] });
    const greedy = await token({ client: 'greedy' });
    await Promise.all(Array.from({ length: 20 }, () => infer(greedy)));
    const other = await infer(await token({ client: 'modest' }));
    expect(other.headers.get('ratelimit')).toMatch(/^"wide";r=8;t=\d+$/);
  });

  it('count bytes and time at the node, and free what was reserved and not used', async () => {
    const bytes = { name: 'bytes', window: 'day', unit: 'bytes', limit: 30 } as const;
    const compute = { name: 'compute', window: 'day', unit: 'compute_ms', limit: 6_000 } as const;
    await set({ quotas: [bytes, compute] });
    const bearer = await token();
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) {
      const response = await infer(bearer);
      statuses.push(response.status);
      await response.arrayBuffer();
      await until(() => gateway.core.inFlight === 0, 'settled');
    }
    // 13 bytes each; the deadline of 5 s is reserved each time.
    expect(statuses).toEqual([200, 200, 429]);
    const slow = await infer(bearer, { headers: { 'x-sluice-timeout-ms': '9000' } });
    expect(slow.status).toBe(429);
  });

  it('count rows and compute as the node reports them, which no caller sees', async () => {
    const rows = { name: 'rows', window: 'day', unit: 'rows', limit: 12 } as const;
    const compute = { name: 'compute', window: 'day', unit: 'compute_ms', limit: 6_000 } as const;
    // A body of 13 bytes has room for 6 rows.
    await set({ quotas: [rows, compute], versions: { 1: [one.replica] }, rowBytes: 2 });
    one.respond = (_, res) => {
      res.writeHead(200, { 'x-sluice-timing': '9000,700,3,250' });
      res.end('{}');
    };
    const bearer = await token();
    const answers: Response[] = [];
    for (let i = 0; i < 4; i++) {
      const response = await infer(bearer);
      answers.push(response);
      await response.arrayBuffer();
      await until(() => gateway.core.inFlight === 0, 'settled');
    }
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers.every(({ headers }) => headers.get('x-sluice-timing') === null)).toBe(true);
    expect(answers[3]?.headers.get('x-sluice-quota')).toMatch(
      /^"rows";unit="rows";limit=12;used=9;.*;needed=6;/,
    );
    const [counted] = gateway.core.usage.drain().rows.filter(({ outcome }) => outcome === 'OK');
    expect(counted).toMatchObject({ requests: 3, rows: 9, compute_us: 750 });
    const cells = gateway.core.quotas.cellsFor('iris', 'tester', undefined);
    expect(cells.map(({ quota }) => quota.name)).toEqual(['rows', 'compute']);
  });

  it('hold as their outage policy says while the registry gives no leases', async () => {
    registry.hasLedger = false;
    const bearer = await token();
    await set({ quotas: [{ name: 'budget', window: 'day', limit: 5, outage: 'deny' }] });
    expect(await failure(await infer(bearer))).toEqual([503, 'QUOTA_UNAVAILABLE']);
    await set({ quotas: [{ name: 'rate', window: 'minute', limit: 2, outage: 'local_share' }] });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await infer(bearer)).status);
    expect(statuses).toEqual([200, 200, 503]);
    const told = (await infer(bearer)).headers.get('x-sluice-quota-outage');
    expect(told).toBe('"rate";policy="local_share"');
    const metrics = await adminGet('/metrics');
    expect(metrics).toContain('sluice_gateway_quota_outage{quota="rate",policy="local_share"} 1');
    expect(metrics).toContain('sluice_gateway_quota_uncounted_total{quota="rate",policy="local_share"} 2');
    const explained = JSON.parse(await adminGet('/explain?endpoint=iris&client=tester')) as Explanation;
    expect(explained.quotas).toMatchObject([{ name: 'rate', outage: 'local_share', in_outage: true }]);
    await set({ quotas: [{ name: 'open', window: 'minute', limit: 0, outage: 'open' }] });
    expect((await infer(bearer)).status).toBe(200);
    registry.hasLedger = true;
    await set({ quotas: [{ name: 'back', window: 'day', limit: 1, outage: 'deny' }] });
    await until(() => !gateway.core.leases.unreachable, 'the ledger answers again');
    const counted = await infer(bearer);
    expect([counted.status, counted.headers.get('x-sluice-quota-outage')]).toEqual([200, null]);
    expect(await failure(await infer(bearer))).toEqual([429, 'QUOTA_EXCEEDED']);
  });

  it('never admit more than the limit under concurrency', async () => {
    await set({ quotas: [{ name: 'perday', window: 'day', limit: 50, endpoint: 'iris' }] });
    const bearer = await token();
    const answers = await Promise.all(Array.from({ length: 200 }, () => infer(bearer)));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(50);
    expect(one.seen).toHaveLength(50);
  });
});
