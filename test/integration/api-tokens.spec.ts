/** API tokens: made, used at the registry, at two gateways and as MLflow's token, and revoked at all of them within two seconds. */
import { SluiceClientError, createClient } from '#client/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import { gatewayJoinToken, openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { cleanUp, startTestGateway } from './gateway-harness.js';

let registry: TestRegistry;
let twin: TestRegistry;
let gateways: Gateway[];
beforeAll(async () => {
  registry = await startRegistry();
  twin = await openRegistry(registry.databaseUrl, {});
  const settings = (name: string) => ({
    SLUICE_GATEWAY_JOIN_TOKEN: gatewayJoinToken,
    SLUICE_GATEWAY_NAME: name,
    SLUICE_GATEWAY_USAGE_EVERY_MS: 50,
  });
  // Each follows another registry.
  gateways = await Promise.all([
    startTestGateway(registry.url, settings('one')),
    startTestGateway(twin.url, settings('two')),
  ]);
  await Promise.all(gateways.map(({ ready }) => ready));
});
afterAll(async () => {
  await cleanUp();
  await twin.close();
  await registry.close();
});

const password = 'a password of the tests';
const inOneHour = (): string => new Date(Date.now() + 3_600_000).toISOString();

async function codeOf(call: Promise<unknown>): Promise<string> {
  const failure: unknown = await call.then(
    () => 'OK',
    (error: unknown) => error,
  );
  return failure instanceof SluiceClientError ? (failure.code ?? String(failure.status)) : String(failure);
}

/** There are no endpoints, so whoever may call gets ENDPOINT_NOT_FOUND. */
async function inferCodes(token: string): Promise<(string | null)[]> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return Promise.all(
    gateways.map(async ({ url }) => {
      const response = await fetch(`${url}/v2/models/iris/infer`, { method: 'POST', headers, body: '{}' });
      await response.body?.cancel();
      return response.headers.get('x-sluice-code');
    }),
  );
}

/** Asks both gateways until both say so, which must be within the promised two seconds. */
async function bothSay(token: string, code: string): Promise<void> {
  const startedAtMs = performance.now();
  let last = await inferCodes(token);
  while (last.some((each) => each !== code) && performance.now() - startedAtMs < 2_000)
    last = await inferCodes(token);
  expect(last).toEqual([code, code]);
}

async function person(login: string, role: 'viewer' | 'publisher' | 'operator') {
  await registry.admin.people.create({ body: { login, password, roles: [{ team: null, role }] } });
  const open = createClient({ baseUrl: registry.url });
  const { access_token: token } = await open.sessions.begin({ body: { login, password } });
  return registry.clientWith(token);
}

describe('an API token', () => {
  it('of a client works at every registry and gateway without asking, and is shown once', async () => {
    const { clientId, client } = await registry.caller('infer', 'models:read', 'runs:write');
    const made = await client.apiTokens.create({ body: { name: 'ci', scopes: ['infer', 'models:read'] } });
    expect(made.token).toMatch(/^slu_[\w-]{43}$/);
    expect(made).toMatchObject({ client_id: clientId, login: null, created_by: `client:${clientId}` });
    await bothSay(made.token, 'ENDPOINT_NOT_FOUND');
    for (const { url } of [registry, twin])
      expect(await codeOf(createClient({ baseUrl: url, token: () => made.token }).models.list())).toBe('OK');
    const dump = await registry.dataSource.query<{ row: string }[]>(
      'SELECT api_tokens::text AS row FROM api_tokens UNION ALL SELECT audit_entries::text FROM audit_entries UNION ALL SELECT events::text FROM events',
    );
    expect(dump.some(({ row }) => row.includes(made.token))).toBe(false);
    expect(JSON.stringify(gateways[0]?.core.table?.snapshot)).not.toContain(made.token);
    expect(JSON.stringify(await client.apiTokens.list())).not.toContain(made.token);
  });

  it('of a person acts as that person, by what the person may do now', async () => {
    const ada = await person('ada', 'publisher');
    const { token } = await ada.apiTokens.create({
      body: { name: 'laptop', scopes: ['infer:iris', 'models:write'] },
    });
    const me = await registry.clientWith(token).sessions.me();
    expect(me).toMatchObject({
      subject: 'person:ada',
      scopes: ['infer:iris', 'models:write'],
      person: { login: 'ada' },
    });
    await bothSay(token, 'ENDPOINT_NOT_FOUND');
    await registry.admin.people.update({
      params: { login: 'ada' },
      body: { roles: [{ team: null, role: 'viewer' }] },
    });
    await bothSay(token, 'FORBIDDEN');
    expect(await codeOf(registry.clientWith(token).models.create({ body: { name: 'x' } }))).toBe('FORBIDDEN');
    await registry.admin.people.disable({ params: { login: 'ada' } });
    await bothSay(token, 'PERSON_DISABLED');
    expect(await codeOf(registry.clientWith(token).models.list())).toBe('PERSON_DISABLED');
  });

  it('is what MLflow’s client sends as its token', async () => {
    const { client } = await registry.caller('runs:write');
    const { token } = await client.apiTokens.create({ body: { name: 'trainer', scopes: ['runs:write'] } });
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ name: 'churn' });
    const path = '/api/2.0/mlflow/experiments/create';
    const answer = await fetch(`${gateways[0]?.url}${path}`, { method: 'POST', headers, body });
    expect(answer.status).toBe(200);
  });

  it('is revoked at every registry and gateway within two seconds', async () => {
    const { client, clientId } = await registry.caller('infer', 'models:read');
    const made = await client.apiTokens.create({
      body: { name: 'leaked', scopes: ['infer', 'models:read'] },
    });
    await bothSay(made.token, 'ENDPOINT_NOT_FOUND');
    await client.apiTokens.revoke({ params: { api_token_id: made.id } });
    await bothSay(made.token, 'UNAUTHENTICATED');
    for (const { url } of [registry, twin])
      expect(await codeOf(createClient({ baseUrl: url, token: () => made.token }).models.list())).toBe(
        'UNAUTHENTICATED',
      );
    const again = client.apiTokens.revoke({ params: { api_token_id: made.id } });
    expect(await codeOf(again)).toBe('OK');
    const { items } = await registry.admin.audit.list({ query: { subject_prefix: `api-tokens/${made.id}` } });
    expect(items).toMatchObject([
      { action: 'api_token.revoke', before: { revoked_at: null }, after: { revoked_at: expect.any(String) } },
      { action: 'api_token.create', actor: `client:${clientId}`, before: null, after: { name: 'leaked' } },
    ]);
  });

  it('goes with all of a client’s tokens, with the client, and by its expiry', async () => {
    const { client, clientId } = await registry.caller('infer');
    const create = (expires_at: string | null = null) =>
      client.apiTokens.create({ body: { name: 'x', scopes: ['infer'], expires_at } });
    const [first, second] = [await create(), await create(inTime(1_200))];
    await bothSay(first.token, 'ENDPOINT_NOT_FOUND');
    await registry.admin.clients.revokeTokens({ params: { client_id: clientId } });
    await bothSay(first.token, 'UNAUTHENTICATED');
    await bothSay(second.token, 'UNAUTHENTICATED');
    const other = await registry.caller('infer');
    const short = await other.client.apiTokens.create({
      body: { name: 'x', scopes: ['infer'], expires_at: inTime(900) },
    });
    await bothSay(short.token, 'UNAUTHENTICATED');
    const third = await other.client.apiTokens.create({
      body: { name: 'x', scopes: ['infer'], expires_at: inOneHour() },
    });
    await registry.admin.clients.disable({ params: { client_id: other.clientId } });
    await bothSay(third.token, 'CLIENT_DISABLED');
    expect(await codeOf(registry.clientWith(third.token).models.list())).toBe('CLIENT_DISABLED');
  });

  it('says when it was last used, at a registry or a gateway', async () => {
    const { client } = await registry.caller('infer', 'models:read');
    const lastUse = async (id: string) =>
      (await client.apiTokens.list()).items.find((token) => token.id === id)?.last_used_at;
    const [a, b] = [
      await client.apiTokens.create({ body: { name: 'at the registry', scopes: ['models:read'] } }),
      await client.apiTokens.create({ body: { name: 'at a gateway', scopes: ['infer'] } }),
    ];
    expect([await lastUse(a.id), await lastUse(b.id)]).toEqual([null, null]);
    await registry.clientWith(a.token).models.list();
    expect(await lastUse(a.id)).toEqual(expect.any(String));
    await bothSay(b.token, 'ENDPOINT_NOT_FOUND');
    const startedAtMs = performance.now();
    while ((await lastUse(b.id)) === null && performance.now() - startedAtMs < 5_000);
    expect(await lastUse(b.id)).toEqual(expect.any(String));
  });
});

describe('making API tokens', () => {
  it('gives no more than maker and holder have', async () => {
    const { client, clientId } = await registry.caller('clients:write', 'infer:iris');
    const target = await registry.caller('infer', 'models:write');
    const create = (scopes: string[], client_id?: string) =>
      codeOf(
        client.apiTokens.create({
          body: { name: 'x', scopes, ...(client_id === undefined ? {} : { client_id }) },
        }),
      );
    expect(await create(['infer:iris', 'clients:read'])).toBe('OK');
    expect(await create(['infer'])).toBe('FORBIDDEN');
    expect(await create(['admin'])).toBe('FORBIDDEN');
    expect(await create(['infer:iris'], target.clientId)).toBe('OK');
    expect(await create(['models:write'], target.clientId)).toBe('FORBIDDEN');
    expect(await create(['clients:write'], target.clientId)).toBe('FORBIDDEN');
    expect(await create(['infer:iris'], 'nobody')).toBe('CLIENT_NOT_FOUND');
    expect(await create(['node'], clientId)).toBe('INVALID_REQUEST');
    const stranger = await registry.caller('infer');
    const forOther = stranger.client.apiTokens.create({
      body: { name: 'x', scopes: ['infer'], client_id: clientId },
    });
    expect(await codeOf(forOther)).toBe('CLIENT_NOT_FOUND');
  });

  it('is not for API tokens, nodes and gateways', async () => {
    const { client } = await registry.caller('clients:write');
    const { token } = await client.apiTokens.create({ body: { name: 'x', scopes: ['clients:write'] } });
    const child = registry
      .clientWith(token)
      .apiTokens.create({ body: { name: 'y', scopes: ['clients:write'] } });
    expect(await codeOf(child)).toBe('FORBIDDEN');
    const gateway = registry.clientWith(gateways[0]?.core.credential ?? '');
    expect(await codeOf(gateway.apiTokens.create({ body: { name: 'y', scopes: ['infer'] } }))).toBe(
      'CLIENT_NOT_FOUND',
    );
  });

  it('shows and revokes to others only what they may read and write', async () => {
    const bob = await person('bob', 'viewer');
    const eve = await person('eve', 'operator');
    const own = await bob.apiTokens.create({ body: { name: 'bob’s', scopes: ['models:read'] } });
    const names = async (client: typeof bob) => (await client.apiTokens.list()).items.map(({ name }) => name);
    expect(await names(bob)).toContain('bob’s');
    expect(await names(eve)).not.toContain('bob’s');
    expect(await names(registry.admin)).toContain('bob’s');
    const params = { api_token_id: own.id };
    expect(await codeOf(eve.apiTokens.revoke({ params }))).toBe('API_TOKEN_NOT_FOUND');
    expect(await codeOf(registry.admin.apiTokens.revoke({ params }))).toBe('OK');
    const stranger = await registry.caller('infer');
    expect(await names(stranger.client)).toEqual([]);
  });
});

const inTime = (ms: number): string => new Date(Date.now() + ms).toISOString();
