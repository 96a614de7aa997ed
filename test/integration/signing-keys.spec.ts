/** Private keys at rest: sealed under the master key, also those that were stored before there was one. */
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { publishedBeforeMs } from '../../apps/registry/src/auth/key-times.js';
import { KeyRotation } from '../../apps/registry/src/auth/key-rotation.js';
import { adminSecret, gatewayJoinToken, openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { cleanUp, startTestGateway } from './gateway-harness.js';

const masterKey = 'master-key-of-the-tests-0123456789';
let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

async function storedKey(): Promise<string> {
  const rows = await registry.dataSource.query<{ private_pem: string }[]>(
    'SELECT private_pem FROM signing_keys WHERE retired_at IS NULL',
  );
  return rows[0]?.private_pem ?? '';
}

it('are encrypted as soon as there is a master key, and go on signing', async () => {
  expect(await storedKey()).toContain('PRIVATE KEY');
  const before = await registry.clientWith('').auth.jwks();
  const sealed = await openRegistry(registry.databaseUrl, { SLUICE_MASTER_KEY: masterKey });
  expect(await storedKey()).toMatch(/^aes-256-gcm\$/);
  expect(await sealed.clientWith('').auth.jwks()).toEqual(before);
  await expect(registry.clientWith(sealed.adminToken).clients.list()).resolves.toBeDefined();
  await sealed.close();
});

it.each([
  ['another', { SLUICE_MASTER_KEY: `${masterKey}-another` }, 'is not the one it had'],
  ['no', {}, 'Set SLUICE_MASTER_KEY'],
])('are not replaced in silence by a registry with %s master key', async (_, settings, message) => {
  const before = await storedKey();
  expect(before).toMatch(/^aes-256-gcm\$/);
  await expect(openRegistry(registry.databaseUrl, settings)).rejects.toThrow(message);
  expect(await storedKey()).toBe(before);
});

async function tokenOf(from: TestRegistry): Promise<string> {
  const body = {
    client_id: 'admin',
    client_secret: adminSecret,
    grant_type: 'client_credentials',
  } as const;
  return (await from.clientWith('').auth.token({ body })).access_token;
}

async function codeAt(gatewayUrl: string, token: string): Promise<string | null> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${gatewayUrl}/v2/models/iris/infer`, { method: 'POST', headers, body: '{}' });
  await answer.body?.cancel();
  return answer.headers.get('x-sluice-code');
}

describe('rotation', () => {
  it('publishes the new key at once, signs with it later, and takes no token away; another registry knows', async () => {
    const second = await openRegistry(registry.databaseUrl, { SLUICE_MASTER_KEY: masterKey });
    const third = await openRegistry(registry.databaseUrl, { SLUICE_MASTER_KEY: masterKey });
    try {
      const before = await second.admin.signingKeys.list();
      const made = await second.admin.signingKeys.rotate();
      expect(made.state).toBe('PUBLISHED');
      const after = await third.admin.signingKeys.list();
      expect(after.items.map(({ kid }) => kid)).toEqual([made.kid, ...before.items.map(({ kid }) => kid)]);
      expect(after.items[1]).toMatchObject({ state: 'SIGNING', retired_at: made.signs_from });
      const kidOf = (token: string): unknown => decodeProtectedHeader(token).kid;
      expect(kidOf(await tokenOf(second))).toBe(before.items[0]?.kid);
      // As if the time until it signs had passed.
      await registry.dataSource.query(
        `UPDATE signing_keys SET signs_from = signs_from - interval '20 s', created_at = created_at - interval '20 s',
                retired_at = retired_at - interval '20 s' WHERE kid = $1 OR retired_at IS NOT NULL`,
        [made.kid],
      );
      const fresh = await vi.waitUntil(
        async () => {
          const newest = await tokenOf(second);
          return kidOf(newest) === made.kid && newest;
        },
        { timeout: 15_000, interval: 100 },
      );
      await expect(
        vi.waitUntil(() => third.clientWith(fresh).clients.list(), { timeout: 10_000 }),
      ).resolves.toBeDefined();
      await expect(third.admin.clients.list()).resolves.toBeDefined();
      expect((await third.clientWith('').auth.jwks()).keys.map(({ kid }) => kid)).toContain(
        before.items[0]?.kid,
      );
      const audit = await third.admin.audit.list({ query: { action: 'signing-key.rotate' } });
      expect(audit.items).toMatchObject([{ subject: `signing-keys/${made.kid}` }]);
    } finally {
      await second.close();
      await third.close();
    }
  });

  it('comes when the key has grown old, once for all registries, and no caller at any gateway notices', async () => {
    const settings = { SLUICE_MASTER_KEY: masterKey, SLUICE_KEY_ROTATION_DAYS: '30' };
    const registries = [
      await openRegistry(registry.databaseUrl, settings),
      await openRegistry(registry.databaseUrl, settings),
    ];
    try {
      const gateways = await Promise.all(
        registries.map(({ url }) => startTestGateway(url, { SLUICE_GATEWAY_JOIN_TOKEN: gatewayJoinToken })),
      );
      await Promise.all(gateways.map(({ ready }) => ready));
      const look = () => Promise.all(registries.map(({ app }) => app.get(KeyRotation).look()));
      const kids = async (): Promise<string[]> =>
        (await registries[0]?.admin.signingKeys.list())?.items.map(({ kid }) => kid) ?? [];
      const before = await kids();
      await look();
      expect(await kids()).toEqual(before);
      await registry.dataSource.query(`UPDATE signing_keys SET created_at = created_at - interval '31 days'`);
      await look();
      const [made = '', ...others] = await kids();
      expect(others).toEqual(before);
      const audit = await registries[0]?.admin.audit.list({
        query: { subject_prefix: `signing-keys/${made}` },
      });
      expect(audit?.items).toMatchObject([{ action: 'signing-key.rotate', actor: 'system' }]);

      const begun = registries[0]?.adminToken ?? '';
      const codes = new Set<string | null>();
      const signers = new Set<unknown>();
      const turnedAtMs = Date.now() + publishedBeforeMs + 1_000;
      while (Date.now() < turnedAtMs) {
        for (const from of registries) {
          const fresh = await tokenOf(from);
          signers.add(decodeProtectedHeader(fresh).kid);
          for (const { url } of gateways)
            for (const token of [begun, fresh]) codes.add(await codeAt(url, token));
        }
      }
      // There is no such endpoint, which only one who was let in is told.
      expect([...codes]).toEqual(['ENDPOINT_NOT_FOUND']);
      expect(signers).toEqual(new Set([before[0], made]));
    } finally {
      await cleanUp();
      for (const each of registries) await each.close();
    }
  });

  it('is for administrators', async () => {
    const second = await openRegistry(registry.databaseUrl, { SLUICE_MASTER_KEY: masterKey });
    try {
      const clerk = await second.caller('clients:write');
      await expect(clerk.client.signingKeys.rotate()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    } finally {
      await second.close();
    }
  });
});
