import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { noTraffic } from '#contracts/endpoints';
import type { Traffic } from '#contracts/endpoints';
import type { z } from 'zod';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import {
  auditedActions,
  newModel,
  newReadyVersion,
  newVersion,
  routingRevision,
} from '../support/versions.js';

let registry: TestRegistry;
let model: string;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

/** A model with the READY versions 1 and 2, the PENDING 3, and the alias `champion` of 1. */
beforeEach(async () => {
  model = await newModel(registry);
  await newReadyVersion(registry, model);
  await newReadyVersion(registry, model);
  await newVersion(registry, model);
  await registry.admin.aliases.set({ params: { model, alias: 'champion' }, body: { version: 1 } });
});

const setTraffic = (body: z.input<typeof Traffic>, ifMatch: string | undefined = '"1"', endpoint = model) =>
  registry.admin.endpoints.setTraffic({
    params: { endpoint },
    body,
    headers: ifMatch === '' ? {} : { 'if-match': ifMatch },
  });
const targets = (): Promise<unknown[]> =>
  registry.dataSource.query(
    `SELECT target.position, target.version_number, target.alias FROM traffic_targets target
     JOIN endpoints endpoint ON endpoint.id = target.endpoint_id WHERE endpoint.name = $1 ORDER BY position`,
    [model],
  );

describe('traffic', () => {
  it('is replaced as a whole, with the targets that the database guards, history and audit', async () => {
    const before = await routingRevision(registry);
    const traffic: z.input<typeof Traffic> = {
      rules: [{ header: 'X-Tester', value: 'yes', version: 2 }],
      split: [
        { version: 'champion', weight: 90 },
        { version: 2, weight: 10 },
      ],
      sticky: { by: 'header', name: 'X-User' },
      shadow: { version: 2, share: 0.1 },
      max_body_bytes: 4_096,
    };
    const endpoint = await setTraffic(traffic);
    expect(endpoint).toMatchObject({
      revision: 2,
      updated_by: 'client:admin',
      traffic: {
        rules: [{ header: 'x-tester' }],
        sticky: { name: 'x-user' },
        shadow: { version: 2, share: 0.1 },
        hedge: false,
        max_body_bytes: 4_096,
      },
    });
    expect(await targets()).toEqual([
      { position: 0, version_number: 2, alias: null },
      { position: 1, version_number: null, alias: 'champion' },
    ]);
    await setTraffic({ split: [{ version: 1, weight: 1 }] }, '"2"');
    expect(await targets()).toEqual([{ position: 0, version_number: 1, alias: null }]);
    await setTraffic({ split: [] }, '"3"');
    expect(await targets()).toEqual([]);
    expect(await routingRevision(registry)).toBe(before + 3);
    const params = { endpoint: model };
    const page = await registry.admin.endpoints.history({ params, query: { page_size: 3 } });
    expect(page.items.map((row) => row.revision)).toEqual([4, 3, 2]);
    const rest = await registry.admin.endpoints.history({
      params,
      query: { page_token: page.next_page_token },
    });
    expect(rest.items).toMatchObject([{ revision: 1, traffic: { split: [] } }]);
    const actions = await auditedActions(registry, `endpoints/${model}`);
    expect(actions).toEqual(['endpoint.create', ...Array.from({ length: 3 }, () => 'endpoint.set_traffic')]);
  });

  it('goes only to READY versions of the model that are not archived', async () => {
    const to = (version: string | number) => setTraffic({ split: [{ version, weight: 1 }] });
    await expect(to(3)).rejects.toMatchObject({ status: 409, code: 'VERSION_NOT_READY' });
    await expect(to(4)).rejects.toMatchObject({ status: 404, code: 'VERSION_NOT_FOUND' });
    await expect(to('nobody')).rejects.toMatchObject({ status: 404, code: 'ALIAS_NOT_FOUND' });
    await registry.admin.aliases.set({ params: { model, alias: 'next' }, body: { version: 3 } });
    await expect(to('next')).rejects.toMatchObject({ code: 'VERSION_NOT_READY' });
    await registry.admin.versions.archive({ params: { model, version: '2' } });
    await expect(to(2)).rejects.toMatchObject({ code: 'VERSION_NOT_READY' });
    const rule = { header: 'x', value: 'y', version: 3 };
    await expect(setTraffic({ rules: [rule], split: [] })).rejects.toMatchObject({
      code: 'VERSION_NOT_READY',
    });
    await registry.dataSource.query(
      `UPDATE versions SET status = 'FAILED', status_reason = 'the file is no ONNX model'
       WHERE number = 3 AND model_id = (SELECT id FROM models WHERE name = $1)`,
      [model],
    );
    await expect(to(3)).rejects.toThrow('the file is no ONNX model');
    expect(await registry.admin.endpoints.read({ params: { endpoint: model } })).toMatchObject({
      revision: 1,
    });
    expect(await targets()).toEqual([]);
  });

  it('is shadowed by a version that could serve, and the database guards that one too', async () => {
    const split = [{ version: 1, weight: 1 }];
    const shadowed = (version: string | number, share = 0.5) =>
      setTraffic({ split, shadow: { version, share } });
    await expect(shadowed(3)).rejects.toMatchObject({ status: 409, code: 'VERSION_NOT_READY' });
    await expect(shadowed(4)).rejects.toMatchObject({ status: 404, code: 'VERSION_NOT_FOUND' });
    await expect(shadowed('nobody')).rejects.toMatchObject({ status: 404, code: 'ALIAS_NOT_FOUND' });
    for (const share of [0, -0.1, 1.1])
      await expect(shadowed(2, share)).rejects.toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    await shadowed(2);
    expect(await targets()).toEqual([
      { position: 0, version_number: 1, alias: null },
      { position: 1, version_number: 2, alias: null },
    ]);
    const archived = registry.admin.versions.archive({ params: { model, version: '2' } });
    await expect(archived).rejects.toMatchObject({ code: 'VERSION_IN_USE' });
  });

  it('that an earlier version of Sluice wrote is read with the defaults of what it did not know', async () => {
    await registry.dataSource.query(
      `UPDATE endpoints SET traffic = '{"rules": [], "split": [], "sticky": null}' WHERE name = $1`,
      [model],
    );
    expect((await registry.admin.endpoints.read({ params: { endpoint: model } })).traffic).toEqual(noTraffic);
  });

  it('needs the ETag that was read', async () => {
    const split = [{ version: 1, weight: 1 }];
    const read = await registry.send('GET', `/api/v1/endpoints/${model}`, {
      headers: { authorization: `Bearer ${registry.adminToken}` },
    });
    expect(read.headers.get('etag')).toBe('"1"');
    await expect(setTraffic({ split }, '')).rejects.toMatchObject({
      status: 428,
      code: 'PRECONDITION_REQUIRED',
    });
    await expect(setTraffic({ split }, '*')).rejects.toMatchObject({
      status: 428,
      code: 'PRECONDITION_REQUIRED',
    });
    await setTraffic({ split }, read.headers.get('etag') ?? '');
    for (const stale of ['"1"', 'W/"2"', '2', 'nonsense'])
      await expect(setTraffic({ split }, stale)).rejects.toMatchObject({
        status: 412,
        code: 'PRECONDITION_FAILED',
      });
    expect(await setTraffic({ split }, '"7", "2"')).toMatchObject({ revision: 3 });
  });

  it('set by many at once is set by exactly one', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 16 }, (_, index) => setTraffic({ split: [{ version: 1, weight: index + 1 }] })),
    );
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(won).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({ code: 'PRECONDITION_FAILED' });
    const endpoint = await registry.admin.endpoints.read({ params: { endpoint: model } });
    expect(endpoint).toEqual(won[0]?.value);
  });

  it('and archiving the version never both succeed', async () => {
    const outcomes = await Promise.allSettled([
      setTraffic({ split: [{ version: 2, weight: 1 }] }),
      registry.admin.versions.archive({ params: { model, version: '2' } }),
    ]);
    expect(outcomes.map((outcome) => outcome.status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('needs the scope, and well-formed weights', async () => {
    const reader = await registry.caller('endpoints:read', 'models:write');
    const body = { split: [{ version: 1, weight: 1 }] };
    const headers = { 'if-match': '"1"' };
    const call = reader.client.endpoints.setTraffic({ params: { endpoint: model }, body, headers });
    await expect(call).rejects.toMatchObject({ code: 'FORBIDDEN' });
    for (const weights of [[0], [-1], [1, 1]])
      await expect(
        setTraffic({ split: weights.map((weight) => ({ version: 1, weight })) }),
      ).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    const nowhere = setTraffic(body, '"1"', 'nowhere');
    await expect(nowhere).rejects.toMatchObject({ status: 404, code: 'ENDPOINT_NOT_FOUND' });
  });
});

describe('an endpoint', () => {
  it('is created beside the model’s own, with traffic, and listed by model', async () => {
    const traffic = { split: [{ version: 'champion', weight: 1 }] };
    const body = { name: `${model}-canary`, model, traffic };
    const endpoint = await registry.admin.endpoints.create({ body });
    expect(endpoint).toMatchObject({ name: body.name, model, revision: 1, traffic });
    const { items } = await registry.admin.endpoints.list({ query: { model } });
    expect(items.map((item) => item.name)).toEqual([model, body.name]);
    expect((await registry.admin.endpoints.list({ query: { model: 'nothing' } })).items).toEqual([]);
    const first = await registry.admin.endpoints.list({ query: { model, page_size: 1 } });
    const second = await registry.admin.endpoints.list({
      query: { model, page_size: 1, page_token: first.next_page_token },
    });
    expect([...first.items, ...second.items]).toEqual(items);
    expect(second.next_page_token).toBeUndefined();
  });

  it('is refused under a taken name, for no model, or with traffic that cannot be served', async () => {
    const create = (body: Parameters<typeof registry.admin.endpoints.create>[0]['body']) =>
      registry.admin.endpoints.create({ body });
    await expect(create({ name: model, model })).rejects.toMatchObject({
      status: 409,
      code: 'ALREADY_EXISTS',
    });
    await expect(create({ name: 'lost', model: 'nothing' })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
    const pending = { split: [{ version: 3, weight: 1 }] };
    await expect(create({ name: 'lost', model, traffic: pending })).rejects.toMatchObject({
      code: 'VERSION_NOT_READY',
    });
    const read = registry.admin.endpoints.read({ params: { endpoint: 'lost' } });
    await expect(read).rejects.toMatchObject({ code: 'ENDPOINT_NOT_FOUND' });
  });
});
