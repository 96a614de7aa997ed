/** Outside issuers, at the registry's door and at a gateway's that follows it: keys, rules, mapping, and what stays when one is away. */
import { TokenClaims } from '#contracts/clients';
import type { CreateIssuer } from '#contracts/issuers';
import { createClient } from '#client/client';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import { gatewayJoinToken, openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { makeKey, startOutsideIssuer } from '../support/outside-issuer.js';
import type { Algorithm, OutsideIssuer } from '../support/outside-issuer.js';
import { hostileTokens } from '../support/hostile-tokens.js';
import { cleanUp, startTestGateway } from './gateway-harness.js';

const algorithms: Algorithm[] = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const keys = algorithms.map((alg) => makeKey(`key-${alg}`, alg));
const keyOf = (alg: Algorithm) => keys.find((key) => key.alg === alg) ?? makeKey('none', alg);
const [rs256] = keys;

let registry: TestRegistry;
let gateway: Gateway;
let github: OutsideIssuer;
beforeAll(async () => {
  registry = await startRegistry({ SLUICE_ISSUER_PRIVATE_ADDRESSES: 'true' });
  gateway = await startTestGateway(registry.url, { SLUICE_GATEWAY_JOIN_TOKEN: gatewayJoinToken });
  await gateway.ready;
  github = await startOutsideIssuer('sluice-ci');
  github.keys = [...keys];
  await trust({});
});
afterAll(async () => {
  await cleanUp();
  await github.close();
  await registry.close();
});

const terms = (): z.input<typeof CreateIssuer> => ({
  name: 'github',
  issuer: github.url,
  audiences: ['sluice-ci'],
  algorithms,
  mapping: { scopes: { value: ['infer', 'models:read'] } },
});

/** Trusts the issuer on these terms, and waits until both doors do. */
async function trust(change: Partial<z.input<typeof CreateIssuer>>): Promise<void> {
  await registry.admin.issuers.remove({ params: { issuer_name: 'github' } }).catch(() => undefined);
  await registry.admin.issuers.create({ body: { ...terms(), ...change } });
  await known();
}

/** The gateway has what the registry has. */
async function known(): Promise<void> {
  const rows = await registry.dataSource.query<{ revision: string }[]>('SELECT revision FROM snapshot_state');
  const wanted = Number(rows[0]?.revision);
  await eventually(async () => (gateway.core.table?.snapshot.revision ?? 0) >= wanted, 'the gateway follows');
}

/** What must be in force everywhere within two seconds. */
async function eventually(check: () => Promise<boolean>, what: string, withinMs = 2_000): Promise<void> {
  const startedAtMs = performance.now();
  while (!(await check())) {
    if (performance.now() - startedAtMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The answers of both doors. There is no endpoint iris, which only one who was let in is told. */
async function statuses(token: string): Promise<number[]> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const answers = await Promise.all([
    fetch(`${registry.url}/api/v1/models`, { headers }),
    fetch(`${gateway.url}/v2/models/iris/infer`, { method: 'POST', headers, body: '{}' }),
  ]);
  await Promise.all(answers.map((answer) => answer.text()));
  return answers.map(({ status }) => status);
}
const letIn = [200, 404];
const refused = [401, 401];
const isLetIn = async (token: string): Promise<boolean> => String(await statuses(token)) === String(letIn);

describe('a token of an outside issuer', () => {
  it.each(algorithms)('signed with %s is good at both doors', async (alg) => {
    expect(await statuses(await github.sign(keyOf(alg)))).toEqual(letIn);
  });

  it('acts as a client behind the issuer’s name, with the mapped scopes only', async () => {
    const token = await github.sign(keyOf('ES256'), { scope: 'admin', client_id: 'admin' });
    expect(await registry.clientWith(token).sessions.me()).toMatchObject({
      subject: 'client:github:job-7',
      scopes: ['infer', 'models:read'],
    });
    await expect(registry.clientWith(token).clients.list()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('none of the hostile list passes at either door', async () => {
    if (!rs256) throw new Error('there is an RS256 key');
    const claims = decodeJwt(await github.sign(rs256));
    for (const [name, token] of hostileTokens({ kid: rs256.kid, privateKey: rs256.privateKey, claims }))
      expect.soft(await statuses(token), name).toEqual(refused);
  });

  it.each<[string, Record<string, unknown>]>([
    ['for someone else', { aud: 'sluice' }],
    ['for nobody', { aud: undefined }],
    ['that is over', { exp: Math.floor(Date.now() / 1_000) - 60 }],
    ['without an end', { exp: undefined }],
    ['that is not good yet', { nbf: Math.floor(Date.now() / 1_000) + 600 }],
    ['of an unknown issuer', { iss: 'https://elsewhere.example' }],
    [
      'that claims to be ours',
      { iss: 'sluice', aud: 'sluice', scope: 'admin', client_id: 'admin', sub: 'client:admin' },
    ],
    ['without what names the client', { sub: undefined }],
    ['with several subjects', { sub: ['a', 'b'] }],
  ])('%s is refused at both doors', async (_, claims) => {
    for (const key of keys) expect(await statuses(await github.sign(key, claims))).toEqual(refused);
  });

  it('must be signed with an algorithm that is allowed to the issuer and to the key', async () => {
    await trust({ algorithms: ['ES256'] });
    expect(await statuses(await github.sign(keyOf('ES256')))).toEqual(letIn);
    for (const alg of ['RS256', 'PS256', 'EdDSA'] as const)
      expect(await statuses(await github.sign(keyOf(alg)))).toEqual(refused);
    await trust({});
    const confused = { ...keyOf('RS256'), alg: 'PS256' as const };
    expect(await statuses(await github.sign(confused))).toEqual(refused);
  });

  it('cannot pass with one of our keys, nor ours with one of theirs', async () => {
    const ours = TokenClaims.parse(decodeJwt(registry.adminToken));
    const forged = await github.sign(keyOf('RS256'), { ...ours });
    expect(await statuses(forged)).toEqual(refused);
  });
});

describe('claims', () => {
  it('map to clients of ours, whose disabling and revocation then hold', async () => {
    const { client_id: id } = await registry.admin.clients.create({
      body: { name: 'churn ci', scopes: ['infer'] },
    });
    await trust({
      mapping: {
        client: { claim: 'repository', map: { 'acme/churn': id } },
        scopes: { claim: 'groups', map: { ml: ['infer', 'models:read'] } },
      },
    });
    const claims = { repository: 'acme/churn', groups: ['ml', 'other'] };
    const token = await github.sign(keyOf('EdDSA'), claims);
    expect(await statuses(token)).toEqual(letIn);
    expect(
      await statuses(await github.sign(keyOf('EdDSA'), { ...claims, repository: 'acme/other' })),
    ).toEqual(refused);
    expect(await statuses(await github.sign(keyOf('EdDSA'), { ...claims, groups: [] }))).toEqual([403, 403]);
    const params = { client_id: id };
    await registry.admin.clients.disable({ params });
    await known();
    expect(await statuses(token)).toEqual([403, 403]);
    await registry.admin.clients.enable({ params });
    await registry.admin.clients.revokeTokens({ params });
    await known();
    expect(await statuses(token)).toEqual(refused);
    await trust({});
  });
});

describe('keys', () => {
  it('are found by discovery, or read where the admin says', async () => {
    await trust({ jwks_url: `${github.url}/keys` });
    expect(await statuses(await github.sign(keyOf('RS256')))).toEqual(letIn);
    await trust({});
  });

  it('are not taken from a document of another issuer', async () => {
    github.claimsToBe = 'https://elsewhere.example';
    await trust({});
    const { items } = await registry.admin.issuers.list();
    expect(items[0]).toMatchObject({ key_ids: [], keys_error: expect.stringContaining('elsewhere.example') });
    github.claimsToBe = github.url;
    await registry.admin.issuers.refreshKeys({ params: { issuer_name: 'github' } });
    await known();
    expect(await statuses(await github.sign(keyOf('RS256')))).toEqual(letIn);
  });

  it('that are new are fetched when a token names one, seen first at a gateway, and not for each made-up name', async () => {
    await registry.dataSource.query(`UPDATE issuers SET keys_tried_at = now() - interval '1 minute'`);
    const fresh = makeKey('fresh', 'ES256');
    github.keys = [...keys, fresh];
    const readsBefore = github.reads();
    const token = await github.sign(fresh);
    const infer = async (): Promise<number> =>
      (
        await fetch(`${gateway.url}/v2/models/iris/infer`, {
          method: 'POST',
          body: '{}',
          headers: { authorization: `Bearer ${token}` },
        })
      ).status;
    expect(await infer()).toBe(401);
    await eventually(async () => (await infer()) === 404, 'the gateway knows the new key', 10_000);
    expect(await statuses(token)).toEqual(letIn);
    const strangers = Array.from({ length: 30 }, (_, i) => ({ ...fresh, kid: `made-up-${i}` }));
    for (const key of strangers) expect(await statuses(await github.sign(key))).toEqual(refused);
    expect(github.reads() - readsBefore).toBeLessThanOrEqual(2);
  });

  it('stay when the issuer is down, and go when it does not publish them any more', async () => {
    github.down = true;
    const params = { issuer_name: 'github' };
    const failed = await registry.admin.issuers.refreshKeys({ params });
    expect(failed).toMatchObject({ keys_error: expect.stringContaining('503') });
    expect(failed.key_ids).toContain('key-RS256');
    expect(await statuses(await github.sign(keyOf('RS256')))).toEqual(letIn);
    github.down = false;
    github.keys = keys.filter(({ alg }) => alg !== 'RS256');
    expect((await registry.admin.issuers.refreshKeys({ params })).keys_error).toBeNull();
    await known();
    const token = await github.sign(keyOf('RS256'));
    await eventually(async () => !(await isLetIn(token)), 'the key is gone');
    expect(await statuses(token)).toEqual(refused);
    github.keys = [...keys];
    await registry.admin.issuers.refreshKeys({ params });
  });

  it('are not fetched from private addresses unless the operator allows it', async () => {
    const strict = await openRegistry(registry.databaseUrl, {});
    const made = await strict.admin.issuers.create({
      body: {
        ...terms(),
        name: 'inside',
        issuer: 'https://127.0.0.1:1',
        jwks_url: 'https://127.0.0.1:1/keys',
      },
    });
    expect(made.keys_error).toContain('private network');
    await strict.admin.issuers.remove({ params: { issuer_name: 'inside' } });
    await strict.close();
  });
});

describe('an issuer', () => {
  it('is trusted, changed and dropped by admins only, each act audited, in force everywhere within two seconds', async () => {
    const params = { issuer_name: 'github' };
    const token = await github.sign(keyOf('ES256'));
    expect(await statuses(token)).toEqual(letIn);
    await registry.admin.issuers.update({ params, body: { disabled: true } });
    await eventually(async () => String(await statuses(token)) === String(refused), 'disabled');
    await registry.admin.issuers.update({ params, body: { disabled: false } });
    await eventually(() => isLetIn(token), 'enabled');
    await registry.admin.issuers.remove({ params });
    await eventually(async () => String(await statuses(token)) === String(refused), 'removed');
    const { items } = await registry.admin.audit.list({
      query: { subject_prefix: 'issuers/github', page_size: 3 },
    });
    expect(items).toMatchObject([
      { action: 'issuer.delete', before: { name: 'github' }, after: null },
      { action: 'issuer.update', before: { disabled_at: expect.any(String) }, after: { disabled_at: null } },
      { action: 'issuer.update', before: { disabled_at: null }, after: { disabled_at: expect.any(String) } },
    ]);
    const clerk = await registry.caller('clients:write', 'people:write');
    await expect(clerk.client.issuers.list()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('has a name and an iss of its own, and never ours', async () => {
    await trust({});
    const create = (change: object) => registry.admin.issuers.create({ body: { ...terms(), ...change } });
    await expect(create({})).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    await expect(create({ name: 'other' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    await expect(create({ name: 'ours', issuer: 'sluice' })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    });
    await expect(create({ name: 'hs', algorithms: ['HS256'] })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    });
    await expect(createClient({ baseUrl: registry.url }).issuers.list()).rejects.toMatchObject({
      status: 401,
    });
  });
});
