import { uuidv7 } from 'zod';
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  await registry.dataSource.query(
    `INSERT INTO models (id, name, created_at, updated_at) VALUES ($1, 'iris', now(), now())`,
    [modelId],
  );
  await registry.dataSource.query(
    `INSERT INTO endpoints (id, name, model_id, traffic, updated_at, updated_by)
     VALUES ($1, 'iris', $2, '{"rules":[],"split":[],"sticky":null}', now(), 'system')`,
    [v7(), modelId],
  );
});
afterAll(() => registry.close());
const modelId = v7();

const routingRevision = async (): Promise<number> => {
  const rows = await registry.dataSource.query<{ revision: string }[]>('SELECT revision FROM snapshot_state');
  return Number(rows[0]?.revision ?? 0);
};

describe('quotas', () => {
  it('are created, read, changed and deleted, and each change reaches the routing table', async () => {
    const { quotas } = registry.admin;
    const start = await routingRevision();
    const made = await quotas.create({ body: { name: 'everybody', window: 'minute', limit: 600 } });
    expect(made).toMatchObject({ client_id: null, endpoint: null, per_client: true, limit: 600 });
    expect(uuidv7().safeParse(made.id).success).toBe(true);
    const params = { quota_id: made.id };
    const changed = await quotas.update({ params, body: { limit: 9_007_199_254_740_991 } });
    expect(changed.limit).toBe(9_007_199_254_740_991);
    expect((await quotas.list()).items).toEqual([changed]);
    expect(await quotas.read({ params })).toEqual(changed);
    await quotas.remove({ params });
    expect((await quotas.list()).items).toEqual([]);
    expect(await routingRevision()).toBe(start + 3);
    const { items } = await registry.admin.audit.list({ query: { subject_prefix: 'quotas/everybody' } });
    expect(items.map(({ action }) => action)).toEqual(['quota.delete', 'quota.update', 'quota.create']);
    expect(items[1]).toMatchObject({ before: { limit: 600 }, after: { limit: 9_007_199_254_740_991 } });
  });

  it('belong to clients and endpoints that exist', async () => {
    const { quotas } = registry.admin;
    const body = { name: 'strange', window: 'day', limit: 1 } as const;
    await expect(quotas.create({ body: { ...body, client_id: 'nobody' } })).rejects.toMatchObject({
      code: 'CLIENT_NOT_FOUND',
    });
    await expect(quotas.create({ body: { ...body, endpoint: 'nowhere' } })).rejects.toMatchObject({
      code: 'ENDPOINT_NOT_FOUND',
    });
    const { items } = await registry.admin.audit.list({ query: { subject_prefix: 'quotas/strange' } });
    expect(items).toEqual([]);
  });

  it('are found by client and by endpoint, page by page', async () => {
    const { quotas } = registry.admin;
    for (const name of ['a', 'b', 'c'])
      await quotas.create({ body: { name, window: 'day', limit: 5, client_id: 'admin' } });
    await quotas.create({ body: { name: 'd', window: 'day', limit: 5, endpoint: 'iris' } });
    const namesOf = (page: { items: { name: string }[] }) => page.items.map(({ name }) => name);
    expect(namesOf(await quotas.list({ query: { endpoint: 'iris' } }))).toEqual(['d']);
    const first = await quotas.list({ query: { client_id: 'admin', page_size: 2 } });
    expect(namesOf(first)).toEqual(['a', 'b']);
    const query = { client_id: 'admin', page_size: 2, page_token: first.next_page_token ?? '' };
    const last = await quotas.list({ query });
    expect(namesOf(last)).toEqual(['c']);
    expect(last.next_page_token).toBeUndefined();
  });

  it('have unique names and sane limits', async () => {
    const { quotas } = registry.admin;
    const body = { name: 'unique', window: 'day', limit: 0 } as const;
    await quotas.create({ body });
    await expect(quotas.create({ body })).rejects.toMatchObject({ status: 409, code: 'ALREADY_EXISTS' });
    for (const limit of [-1, 1.5, 2 ** 53])
      await expect(quotas.create({ body: { ...body, name: 'bad', limit } })).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
      });
  });

  it('answer 404 when there is no such quota', async () => {
    const params = { quota_id: v7() };
    const update = registry.admin.quotas.update({ params, body: { limit: 1 } });
    await expect(update).rejects.toMatchObject({ code: 'QUOTA_NOT_FOUND' });
    for (const call of ['read', 'remove', 'reset', 'overrides'] as const)
      await expect(registry.admin.quotas[call]({ params })).rejects.toMatchObject({
        code: 'QUOTA_NOT_FOUND',
      });
  });

  it('can be read, but not changed, with quotas:read', async () => {
    const reader = await registry.caller('quotas:read');
    await expect(reader.client.quotas.list()).resolves.toBeDefined();
    const create = reader.client.quotas.create({ body: { name: 'mine', window: 'day', limit: 1 } });
    await expect(create).rejects.toMatchObject({ status: 403, code: 'FORBIDDEN' });
  });
});
