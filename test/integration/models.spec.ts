import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noTraffic } from '#contracts/endpoints';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { auditedActions, newModel, newReadyVersion, routingRevision } from '../support/versions.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

describe('a model', () => {
  it('is created with an endpoint of its own name that has no traffic', async () => {
    const before = await routingRevision(registry);
    const body = { name: 'Größe 1', description: 'of flowers', tags: { team: 'vision' } };
    const model = await registry.admin.models.create({ body });
    expect(model).toMatchObject({ ...body, aliases: {}, latest_version: null, archived_at: null });
    expect(await registry.admin.models.read({ params: { model: 'Größe 1' } })).toEqual(model);
    const endpoint = await registry.admin.endpoints.read({ params: { endpoint: 'Größe 1' } });
    expect(endpoint).toMatchObject({ model: 'Größe 1', revision: 1, traffic: noTraffic });
    expect(await routingRevision(registry)).toBe(before + 1);
    expect(await auditedActions(registry, 'models/Größe 1')).toEqual(['model.create']);
    expect(await auditedActions(registry, 'endpoints/Größe 1')).toEqual(['endpoint.create']);
  });

  it('may have slashes in its name, which every call finds again', async () => {
    const [model, endpoint] = ['org/team a/iris', 'public/iris'];
    await registry.admin.models.create({ body: { name: model } });
    const version = await newReadyVersion(registry, model);
    const params = { model, version: '1' };
    expect(await registry.admin.versions.read({ params })).toMatchObject({ id: version.id, model });
    await registry.admin.aliases.set({ params: { model, alias: 'champion' }, body: { version: 1 } });
    await registry.admin.endpoints.create({ body: { name: endpoint, model } });
    const split = [{ version: 'champion', weight: 1 }];
    await registry.admin.endpoints.setTraffic({
      params: { endpoint },
      headers: { 'if-match': '"1"' },
      body: { split },
    });
    expect(await registry.admin.endpoints.read({ params: { endpoint } })).toMatchObject({
      model,
      revision: 2,
    });
    const quota = { name: 'slashed', endpoint, window: 'minute', limit: 5 } as const;
    expect(await registry.admin.quotas.create({ body: quota })).toMatchObject({ endpoint });
    const client = { name: 'c', scopes: [`infer:${endpoint}`], endpoints: [endpoint] };
    expect(await registry.admin.clients.create({ body: client })).toMatchObject({ endpoints: [endpoint] });
    const found = await registry.admin.models.list({ query: { name_contains: 'team a/' } });
    expect(found.items).toMatchObject([{ name: model, aliases: { champion: 1 }, latest_version: 1 }]);
    for (const query of [{ model, version: '1' }, { endpoint }])
      expect(await registry.admin.lineage.read({ query })).toMatchObject({
        versions: [{ model, version: 1 }],
        endpoints: [{ name: endpoint, model }],
      });
    const card = { params: { model }, body: { markdown: '# Slashed' }, headers: { 'if-match': '"0"' } };
    expect(await registry.admin.cards.put(card)).toMatchObject({ model, revision: 1 });
    const hits = (await registry.admin.search.find({ query: { q: 'slashed' } })).items;
    expect(hits).toMatchObject([{ kind: 'card', model }]);
    const raw = await registry.send('GET', '/api/v1/models/org%2Fteam%20a%2Firis/versions/1', {
      headers: { authorization: `Bearer ${registry.adminToken}` },
    });
    expect(raw.status).toBe(200);
  });

  it.each(['/a', 'a/', 'a//b', 'a/../b', '..', './a', 'a/b:c'])('cannot be named %j', async (name) => {
    await expect(registry.admin.models.create({ body: { name } })).rejects.toMatchObject({
      status: 400,
      code: 'INVALID_REQUEST',
    });
  });

  it('is refused under a name that a model or an endpoint has, leaving nothing behind', async () => {
    const taken = await newModel(registry);
    await expect(registry.admin.models.create({ body: { name: taken } })).rejects.toMatchObject({
      status: 409,
      code: 'ALREADY_EXISTS',
    });
    await registry.admin.endpoints.create({ body: { name: 'shop-window', model: taken } });
    const clash = registry.admin.models.create({ body: { name: 'shop-window' } });
    await expect(clash).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    const read = registry.admin.models.read({ params: { model: 'shop-window' } });
    await expect(read).rejects.toMatchObject({ status: 404, code: 'MODEL_NOT_FOUND' });
  });

  it('is created once when many ask for it at the same time', async () => {
    const create = () =>
      registry.admin.models.create({ body: { name: 'wanted' } }).then(
        () => 1,
        () => 0,
      );
    const created: number[] = await Promise.all(Array.from({ length: 12 }, create));
    expect(created.reduce((sum, one) => sum + one)).toBe(1);
  });

  it('changes what is given and keeps the rest; no change is no audit entry', async () => {
    const params = { model: await newModel(registry) };
    await registry.admin.models.update({ params, body: { tags: { a: '1' } } });
    const changed = await registry.admin.models.update({ params, body: { description: 'new' } });
    expect(changed).toMatchObject({ description: 'new', tags: { a: '1' } });
    await registry.admin.models.update({ params, body: { description: 'new' } });
    const actions = await auditedActions(registry, `models/${params.model}`);
    expect(actions).toEqual(['model.create', 'model.update', 'model.update']);
    const { items } = await registry.admin.audit.list({
      query: { subject_prefix: `models/${params.model}` },
    });
    expect(items[0]).toMatchObject({ before: { description: '' }, after: { description: 'new' } });
  });

  it('is archived only without traffic, takes no version then, and comes back', async () => {
    const model = await newModel(registry);
    const { version } = await newReadyVersion(registry, model);
    const setTraffic = async (split: { version: number; weight: number }[]) => {
      const params = { endpoint: model };
      const { revision } = await registry.admin.endpoints.read({ params });
      await registry.admin.endpoints.setTraffic({
        params,
        body: { split },
        headers: { 'if-match': `"${revision}"` },
      });
    };
    await setTraffic([{ version, weight: 1 }]);
    const params = { model };
    await expect(registry.admin.models.archive({ params })).rejects.toMatchObject({ code: 'VERSION_IN_USE' });
    await setTraffic([]);
    expect((await registry.admin.models.archive({ params })).archived_at).not.toBeNull();
    await registry.admin.models.archive({ params });
    await expect(newReadyVersion(registry, model)).rejects.toMatchObject({ code: 'MODEL_ARCHIVED' });
    const alias = registry.admin.aliases.set({ params: { ...params, alias: 'best' }, body: { version } });
    await expect(alias).rejects.toMatchObject({ code: 'MODEL_ARCHIVED' });
    await expect(setTraffic([{ version, weight: 1 }])).rejects.toMatchObject({ code: 'MODEL_ARCHIVED' });
    expect((await registry.admin.models.restore({ params })).archived_at).toBeNull();
    const actions = await auditedActions(registry, `models/${model}`);
    expect(actions.filter((action) => action.startsWith('model.'))).toEqual([
      'model.create',
      'model.archive',
      'model.restore',
    ]);
  });

  it('needs the scope to be written', async () => {
    const reader = await registry.caller('models:read');
    await expect(reader.client.models.create({ body: { name: 'x' } })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    expect(await reader.client.models.list()).toHaveProperty('items');
  });
});

describe('the list of models', () => {
  beforeAll(async () => {
    for (const name of ['list-a', 'list-b', 'LIST-c', '50% off', '50_off', '50xoff'])
      await registry.admin.models.create({ body: { name, tags: { kind: name, 'a=b': 'c' } } });
  });
  const names = async (query: Parameters<TestRegistry['admin']['models']['list']>[0]) =>
    (await registry.admin.models.list(query)).items.map((model) => model.name);

  it('filters by a part of the name, in which % and _ mean themselves', async () => {
    expect((await names({ query: { name_contains: 'list-' } })).toSorted()).toEqual([
      'LIST-c',
      'list-a',
      'list-b',
    ]);
    expect(await names({ query: { name_contains: '0%' } })).toEqual(['50% off']);
    expect(await names({ query: { name_contains: '0_' } })).toEqual(['50_off']);
    expect(await names({ query: { name_contains: '\\' } })).toEqual([]);
  });

  it('filters by tag, with or without a value', async () => {
    expect(await names({ query: { tag: 'kind=list-b' } })).toEqual(['list-b']);
    expect(await names({ query: { tag: 'kind' } })).toHaveLength(6);
    expect(await names({ query: { tag: "kind' OR true --" } })).toEqual([]);
  });

  it('filters by archived', async () => {
    await registry.admin.models.archive({ params: { model: 'list-a' } });
    const query = { name_contains: 'list-' };
    expect(await names({ query })).not.toContain('list-a');
    expect(await names({ query: { ...query, archived: 'true' } })).toEqual(['list-a']);
    expect(await names({ query: { ...query, archived: 'any' } })).toHaveLength(3);
  });

  it('comes in pages that together hold every model once, in order', async () => {
    const all = await names({ query: { archived: 'any', page_size: 1000 } });
    const paged: string[] = [];
    let token: string | undefined;
    do {
      const page = await registry.admin.models.list({
        query: { archived: 'any', page_size: 2, page_token: token },
      });
      expect(page.items.length).toBeLessThanOrEqual(2);
      paged.push(...page.items.map((model) => model.name));
      token = page.next_page_token;
    } while (token !== undefined);
    expect(paged).toEqual(all);
    expect(new Set(all).size).toBe(all.length);
    const broken = registry.admin.models.list({ query: { page_token: 'x' } });
    await expect(broken).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});
