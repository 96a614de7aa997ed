import { TokenClaims } from '#contracts/clients';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SluiceClientError, createClient } from '#client/client';
import { openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

const tokenFor = (clientId: string, secret: string) =>
  createClient({ baseUrl: registry.url }).auth.token({
    body: { grant_type: 'client_credentials', client_id: clientId, client_secret: secret },
  });

describe('clients', () => {
  it('get a secret that is shown once and stored only as a hash', async () => {
    const made = await registry.admin.clients.create({ body: { name: 'Churn Trainer', scopes: ['infer'] } });
    expect(made.client_id).toMatch(/^churn-trainer-[0-9a-f]{6}$/);
    expect(made.client_secret).toMatch(/^slc_[\w-]{43}$/);
    const { items } = await registry.admin.clients.list();
    expect(JSON.stringify(items)).not.toContain(made.client_secret);
    const dump = await registry.dataSource.query<{ row: string }[]>(
      `SELECT clients::text AS row FROM clients UNION ALL SELECT audit_entries::text FROM audit_entries`,
    );
    expect(dump.some(({ row }) => row.includes(made.client_secret))).toBe(false);
    expect(dump.some(({ row }) => row.includes('scrypt$'))).toBe(true);
  });

  it('have unique ids', async () => {
    const body = { name: 'twin', client_id: 'twin-client', scopes: ['infer'] };
    await registry.admin.clients.create({ body });
    await expect(registry.admin.clients.create({ body })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('are refused with a name, scope or id that is not right, each field named', async () => {
    const body = { name: '', client_id: 'UPPER', scopes: ['node'] };
    const failure: unknown = await registry.admin.clients.create({ body }).catch((error: unknown) => error);
    if (!(failure instanceof SluiceClientError)) throw failure;
    expect(failure).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    expect(failure.problem?.errors?.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['body.name', 'body.client_id', 'body.scopes.0']),
    );
  });

  it('cannot be given what the caller does not have', async () => {
    const clerk = await registry.caller('clients:write', 'infer:iris');
    const create = (scopes: string[]) => clerk.client.clients.create({ body: { name: 'x', scopes } });
    await expect(create(['admin'])).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(create(['infer'])).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(create(['infer:iris', 'clients:read'])).resolves.toBeDefined();
    const rotate = clerk.client.clients.rotateSecret({ params: { client_id: 'admin' } });
    await expect(rotate).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('stop working at once when disabled, and work again when enabled', async () => {
    const caller = await registry.caller('models:read', 'clients:read');
    const params = { client_id: caller.clientId };
    const disabled = await registry.admin.clients.disable({ params });
    expect(disabled.disabled_at).not.toBeNull();
    await expect(caller.client.clients.list()).rejects.toMatchObject({
      status: 403,
      code: 'CLIENT_DISABLED',
    });
    await expect(tokenFor(caller.clientId, caller.secret)).rejects.toMatchObject({ code: 'CLIENT_DISABLED' });
    await expect(tokenFor(caller.clientId, 'a wrong secret')).rejects.toMatchObject({
      code: 'INVALID_CLIENT',
    });
    await registry.admin.clients.enable({ params });
    await expect(caller.client.clients.list()).resolves.toBeDefined();
  });

  it('are disabled once: repeating it changes nothing and is not audited', async () => {
    const { clientId } = await registry.caller('infer');
    const params = { client_id: clientId };
    const first = await registry.admin.clients.disable({ params });
    expect(await registry.admin.clients.disable({ params })).toEqual(first);
    const { items } = await registry.admin.audit.list({ query: { subject_prefix: `clients/${clientId}` } });
    expect(items.map(({ action }) => action)).toEqual(['client.disable', 'client.create']);
  });

  it('change the routing table when they are disabled', async () => {
    const { clientId } = await registry.caller('infer');
    const revision = async () =>
      (await registry.dataSource.query<{ revision: string }[]>('SELECT revision FROM snapshot_state'))[0]
        ?.revision;
    const before = Number((await revision()) ?? 0);
    await registry.admin.clients.disable({ params: { client_id: clientId } });
    expect(Number(await revision())).toBe(before + 1);
  });

  it('get a new secret by rotation, and the old one is worth nothing', async () => {
    const caller = await registry.caller('infer');
    const params = { client_id: caller.clientId };
    const rotated = await registry.admin.clients.rotateSecret({ params });
    await expect(tokenFor(caller.clientId, caller.secret)).rejects.toMatchObject({ code: 'INVALID_CLIENT' });
    await expect(tokenFor(caller.clientId, rotated.client_secret)).resolves.toBeDefined();
  });

  it('answer 404 when there is no such client', async () => {
    const params = { client_id: 'no-such-client' };
    for (const call of ['read', 'disable', 'enable', 'rotateSecret'] as const)
      await expect(registry.admin.clients[call]({ params })).rejects.toMatchObject({
        code: 'CLIENT_NOT_FOUND',
      });
  });

  it('are listed by id, page by page, each once', async () => {
    const all = await registry.admin.clients.list();
    const seen: string[] = [];
    let token: string | undefined;
    do {
      const query: { page_size: number; page_token?: string } = { page_size: 2 };
      if (token !== undefined) query.page_token = token;
      const page = await registry.admin.clients.list({ query });
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map(({ client_id: id }) => id));
      token = page.next_page_token;
    } while (token !== undefined);
    expect(seen).toEqual(all.items.map(({ client_id: id }) => id));
    expect(seen.length).toBeGreaterThan(4);
  });

  it.each(['x', '!!', 'WzFd', 'bnVsbA', 'WyJhIiwiYiJd'])('refuse the page token %j', async (token) => {
    const list = registry.admin.clients.list({ query: { page_token: token } });
    await expect(list).rejects.toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
  });
});

describe('the admin client', () => {
  it('is made at the first start and left alone by the next', async () => {
    const second = await openRegistry(registry.databaseUrl, {});
    const { items } = await second.admin.clients.list();
    await second.close();
    expect(items.filter(({ client_id: id }) => id === 'admin')).toHaveLength(1);
    expect(TokenClaims.parse(decodeJwt(second.adminToken))).toMatchObject({
      sub: 'client:admin',
      scope: 'admin',
    });
  });
});
