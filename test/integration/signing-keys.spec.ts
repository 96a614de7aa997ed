/** Private keys at rest: sealed under the master key, also those that were stored before there was one. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openRegistry, startRegistry } from '../support/registry.js';
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
