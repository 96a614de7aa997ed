/** Finding one's way: search, lineage, model cards and what people write about versions. */
import { uploadVersion } from '#client/upload';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { auditedActions, newModel, newReadyVersion, newVersion } from '../support/versions.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

const find = async (
  q: string,
  more: { kinds?: string; archived?: 'any'; client?: TestRegistry['admin'] } = {},
) => {
  const { client = registry.admin, ...query } = more;
  const { items } = await client.search.find({ query: { q, ...query } });
  return items.map(({ kind, name, version }) => [kind, name, ...(version === null ? [] : [version])]);
};

describe('search', () => {
  it('finds everything by its words: names, tags, descriptions and cards, and what is archived only when asked', async () => {
    const model = 'Fraud-Detector_v2.onnx';
    const body = { name: model, description: 'scores payments', tags: { owner: 'risk-team' } };
    await registry.admin.models.create({ body });
    await newVersion(registry, model);
    await registry.admin.versions.update({
      params: { model, version: '1' },
      body: { description: 'trained on quarterly data', tags: { dataset: 'ledger-2026' } },
    });
    await registry.admin.cards.put({
      params: { model },
      body: { markdown: '# Limits\nNot for *wholesale* customers.' },
      headers: { 'if-match': '"0"' },
    });
    await registry.admin.experiments.create({ body: { name: 'fraud-sweep' } });
    await registry.admin.runs.create({ body: { experiment: 'fraud-sweep', name: 'gradient-boosting-7' } });
    expect((await find('fraud')).toSorted()).toEqual([
      ['endpoint', model],
      ['experiment', 'fraud-sweep'],
      ['model', model],
    ]);
    expect(await find('detect')).toHaveLength(2);
    expect(await find('RISK scores')).toEqual([['model', model]]);
    expect(await find('ledger quarter')).toEqual([['version', model, 1]]);
    expect(await find('wholesale')).toEqual([['card', model]]);
    expect(await find('boosting')).toEqual([['run', 'gradient-boosting-7']]);
    expect(await find('fraud', { kinds: 'model,card' })).toEqual([['model', model]]);
    expect(await find('fraud absent')).toEqual([]);
    const [hit] = (await registry.admin.search.find({ query: { q: 'wholesale' } })).items;
    expect(hit?.excerpt).toContain('«wholesale»');
    await registry.admin.models.archive({ params: { model } });
    expect(await find('fraud', { kinds: 'model' })).toEqual([]);
    expect(await find('fraud', { kinds: 'model', archived: 'any' })).toEqual([['model', model]]);
  });

  it('shows a caller only the kinds that its scopes let it read', async () => {
    const model = await newModel(registry);
    await registry.admin.models.update({ params: { model }, body: { description: 'zirconium' } });
    await registry.admin.runs.create({ body: { name: 'zirconium' } });
    const reader = await registry.caller('runs:read');
    expect(await find('zirconium')).toHaveLength(2);
    expect(await find('zirconium', { client: reader.client })).toEqual([['run', 'zirconium']]);
  });

  it('pages through all hits once, best first', async () => {
    for (let index = 0; index < 7; index += 1)
      await registry.admin.models.create({
        body: { name: `paged-${index}`, description: 'paged '.repeat(index) },
      });
    const query = { q: 'paged', kinds: 'model', page_size: 3 };
    const seen: string[] = [];
    let page = await registry.admin.search.find({ query });
    for (;;) {
      seen.push(...page.items.map(({ name }) => name));
      if (page.next_page_token === undefined) break;
      page = await registry.admin.search.find({ query: { ...query, page_token: page.next_page_token } });
    }
    expect(seen[0]).toBe('paged-6');
    expect(seen.toSorted()).toEqual(Array.from({ length: 7 }, (_, index) => `paged-${index}`));
  });

  it('takes any text as words, never as a query language', async () => {
    const [syntax, sql, quotes] = await Promise.all([
      find(`iris' & !x | (y <-> z):*`),
      find(`'; DROP TABLE models; --`),
      find('"a" OR (b'),
    ]);
    expect([syntax, sql, quotes]).toEqual([[], [], []]);
    for (const q of ['', '!!!', 'x '.repeat(300)])
      await expect(registry.admin.search.find({ query: { q } })).rejects.toMatchObject({ status: 400 });
    const many = Array.from({ length: 21 }, (_, index) => `w${index}`).join(' ');
    await expect(find(many)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });

  it('survives text that is larger than an index entry', async () => {
    const model = await newModel(registry);
    const words = Array.from({ length: 9_000 }, (_, index) => `w${index}x`).join(' ');
    await registry.admin.cards.put({
      params: { model },
      body: { markdown: `${words} ${'y'.repeat(100_000)} 🙂 unreached` },
      headers: { 'if-match': '*' },
    });
    expect(await find('w8999x')).toEqual([['card', model]]);
  });
});

describe('lineage', () => {
  it('leads from a run to its versions and the endpoints that serve them, and back', async () => {
    const model = await newModel(registry);
    const run = await registry.admin.runs.create({ body: { name: 'origin' } });
    const target = { baseUrl: registry.url, token: () => registry.adminToken };
    await uploadVersion(target, model, [{ path: 'model.onnx', source: randomBytes(64) }], {
      run_id: run.id,
    });
    await registry.dataSource.query(`UPDATE versions SET status = 'READY' WHERE run_id = $1`, [run.id]);
    await newReadyVersion(registry, model);
    await registry.admin.aliases.set({ params: { model, alias: 'live' }, body: { version: 1 } });
    await registry.admin.endpoints.setTraffic({
      params: { endpoint: model },
      body: {
        split: [
          { version: 'live', weight: 9 },
          { version: 2, weight: 1 },
        ],
      },
      headers: { 'if-match': '"1"' },
    });
    const runs = [{ id: run.id, name: 'origin', experiment: 'Default', status: 'RUNNING' }];
    const first = { model, version: 1, status: 'READY', run_id: run.id, aliases: ['live'], archived: false };
    const targets = [
      { version: 1, alias: 'live' },
      { version: 2, alias: null },
    ];
    const fromRun = await registry.admin.lineage.read({ query: { run_id: run.id } });
    expect(fromRun).toEqual({
      runs,
      versions: [first],
      endpoints: [{ name: model, model, targets: targets.slice(0, 1) }],
    });
    expect(await registry.admin.lineage.read({ query: { model, version: '1' } })).toEqual(fromRun);
    const whole = await registry.admin.lineage.read({ query: { endpoint: model } });
    expect(whole).toMatchObject({
      runs,
      versions: [{ version: 2, run_id: null }, first],
      endpoints: [{ targets }],
    });
    expect(await registry.admin.lineage.read({ query: { model } })).toEqual(whole);
    const reader = await registry.caller('models:read');
    expect(await reader.client.lineage.read({ query: { model } })).toMatchObject({ runs: [], endpoints: [] });
  });

  it('starts at one thing that is there', async () => {
    const read = (query: Record<string, string>) => registry.admin.lineage.read({ query });
    await expect(read({})).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await expect(read({ model: 'a', endpoint: 'b' })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await expect(read({ endpoint: 'b', version: '1' })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await expect(read({ model: 'nowhere' })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    await expect(read({ endpoint: 'nowhere' })).rejects.toMatchObject({ code: 'ENDPOINT_NOT_FOUND' });
    await expect(read({ run_id: '00000000-0000-7000-8000-000000000000' })).rejects.toMatchObject({
      code: 'RUN_NOT_FOUND',
    });
  });
});

describe('a model card', () => {
  it('keeps its revisions and refuses to lose a change', async () => {
    const model = await newModel(registry);
    const params = { model };
    expect(await registry.admin.cards.read({ params })).toMatchObject({ markdown: '', revision: 0 });
    const put = (markdown: string, revision: number) =>
      registry.admin.cards.put({ params, body: { markdown }, headers: { 'if-match': `"${revision}"` } });
    await put('# One', 0);
    const racers = await Promise.allSettled([put('# Two', 1), put('# Three', 1)]);
    expect(racers.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const { items } = await registry.admin.cards.history({ params });
    expect(items.map(({ revision }) => revision)).toEqual([2, 1]);
    expect(items[1]).toMatchObject({ markdown: '# One', updated_by: 'client:admin' });
    expect(await put(items[0]?.markdown ?? '', 2)).toMatchObject({ revision: 2 });
    expect(await auditedActions(registry, `models/${model}`)).toEqual([
      'model.create',
      'model.set_card',
      'model.set_card',
    ]);
    await expect(put('x'.repeat(262_145), 2)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});

describe('what is written about a version', () => {
  it('changes; the version does not', async () => {
    const model = await newModel(registry);
    const made = await newVersion(registry, model);
    const params = { model, version: '1' };
    const changed = await registry.admin.versions.update({ params, body: { tags: { stage: 'trial' } } });
    expect(changed).toEqual({ ...made, tags: { stage: 'trial' } });
    await registry.admin.versions.update({ params, body: { description: 'better' } });
    await registry.admin.versions.update({ params, body: { description: 'better' } });
    const read = await registry.admin.versions.read({ params });
    expect(read).toEqual({ ...made, tags: { stage: 'trial' }, description: 'better' });
    expect(await auditedActions(registry, `models/${model}/versions/1`)).toEqual([
      'version.create',
      'version.update',
      'version.update',
    ]);
    await expect(
      registry.admin.versions.update({ params: { model, version: '9' }, body: {} }),
    ).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
  });
});
