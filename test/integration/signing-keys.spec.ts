/** Private keys at rest: sealed under the master key, also those that were stored before there was one. */
import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { adminSecret, openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

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
      const credentials = {
        client_id: 'admin',
        client_secret: adminSecret,
        grant_type: 'client_credentials',
      } as const;
      const token = async (from: TestRegistry) =>
        (await from.clientWith('').auth.token({ body: credentials })).access_token;
      expect(kidOf(await token(second))).toBe(before.items[0]?.kid);
      // As if the time until it signs had passed.
      await registry.dataSource.query(
        `UPDATE signing_keys SET signs_from = signs_from - interval '20 s', created_at = created_at - interval '20 s',
                retired_at = retired_at - interval '20 s' WHERE kid = $1 OR retired_at IS NOT NULL`,
        [made.kid],
      );
      const fresh = await vi.waitUntil(
        async () => {
          const newest = await token(second);
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
