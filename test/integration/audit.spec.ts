import { Transactions } from '#database/transactions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

describe('the audit log', () => {
  it('says who changed what, from what to what, in which request', async () => {
    const { clientId } = await registry.caller('infer');
    const answer = await registry.send('POST', `/api/v1/clients/${clientId}/disable`, {
      headers: { authorization: `Bearer ${registry.adminToken}`, 'x-request-id': 'audit-test-1' },
    });
    expect(answer.headers.get('x-request-id')).toBe('audit-test-1');
    const { items } = await registry.admin.audit.list({ query: { action: 'client.disable' } });
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({
      actor: 'client:admin',
      action: 'client.disable',
      subject: `clients/${clientId}`,
      before: { client_id: clientId, disabled_at: null },
      request_id: 'audit-test-1',
    });
    expect(items[0]?.after).toHaveProperty('disabled_at', expect.stringMatching(/Z$/));
  });

  it('is written in the transaction of the change: neither is there without the other', async () => {
    const transactions = registry.app.get(Transactions);
    const actor = { subject: 'system', requestId: undefined };
    const failing = transactions.write(actor, async (tx) => {
      await tx.manager.query(`UPDATE clients SET name = 'changed' WHERE client_id = 'admin'`);
      await tx.audit({ action: 'test.broken', subject: 'tests/1' });
      tx.routingChanged();
      throw new Error('broken off');
    });
    await expect(failing).rejects.toThrow('broken off');
    const { items } = await registry.admin.audit.list({ query: { action: 'test.broken' } });
    expect(items).toEqual([]);
    const clients = await registry.admin.clients.list();
    expect(clients.items.map(({ name }) => name)).not.toContain('changed');
  });

  it('takes no change whose entry cannot be written', async () => {
    await registry.dataSource.query('ALTER TABLE audit_entries RENAME TO audit_entries_gone');
    const create = registry.admin.clients.create({
      body: { name: 'unaudited', client_id: 'unaudited', scopes: ['infer'] },
    });
    await expect(create).rejects.toMatchObject({ status: 500, code: 'INTERNAL' });
    await registry.dataSource.query('ALTER TABLE audit_entries_gone RENAME TO audit_entries');
    const { items } = await registry.admin.clients.list();
    expect(items.map(({ client_id: id }) => id)).not.toContain('unaudited');
  });

  it('is listed newest first, filtered, page by page', async () => {
    for (const name of ['one', 'two', 'three'])
      await registry.admin.clients.create({ body: { name, client_id: `page-${name}`, scopes: ['infer'] } });
    const subjects = (page: { items: { subject: string }[] }) => page.items.map(({ subject }) => subject);
    const query = { subject_prefix: 'clients/page-', actor: 'client:admin', page_size: 2 };
    const first = await registry.admin.audit.list({ query });
    expect(subjects(first)).toEqual(['clients/page-three', 'clients/page-two']);
    const second = await registry.admin.audit.list({
      query: { ...query, page_token: first.next_page_token ?? '' },
    });
    expect(subjects(second)).toEqual(['clients/page-one']);
    expect(second.next_page_token).toBeUndefined();
  });

  it('takes % and _ in a prefix for what they are', async () => {
    const { items } = await registry.admin.audit.list({ query: { subject_prefix: 'clients_page%' } });
    expect(items).toEqual([]);
  });

  it('is closed to callers without audit:read', async () => {
    const stranger = await registry.caller('models:write', 'infer');
    await expect(stranger.client.audit.list()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});
