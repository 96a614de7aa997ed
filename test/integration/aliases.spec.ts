import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

const setAlias = (model: string, alias: string, version: number) =>
  registry.admin.aliases.set({ params: { model, alias }, body: { version } });
const sendTo = (endpoint: string, version: string | number) =>
  registry.admin.endpoints.setTraffic({
    params: { endpoint },
    body: { split: [{ version, weight: 1 }] },
    headers: { 'if-match': '"1"' },
  });

describe('an alias', () => {
  it('is set, moved, listed and deleted, each in the audit log and the routing table', async () => {
    const model = await newModel(registry);
    const params = { model, alias: 'champion' };
    await newVersion(registry, model);
    await newVersion(registry, model);
    const before = await routingRevision(registry);
    expect(await setAlias(model, 'champion', 1)).toMatchObject({ alias: 'champion', version: 1 });
    await setAlias(model, 'champion', 2);
    await setAlias(model, 'champion', 2);
    await setAlias(model, 'backup', 1);
    const { items } = await registry.admin.aliases.list({ params: { model } });
    expect(items.map(({ alias, version }) => [alias, version])).toEqual([
      ['backup', 1],
      ['champion', 2],
    ]);
    const shown = await registry.admin.models.read({ params: { model } });
    expect(shown).toMatchObject({ aliases: { backup: 1, champion: 2 }, latest_version: 2 });
    await registry.admin.aliases.remove({ params });
    await expect(registry.admin.aliases.remove({ params })).rejects.toMatchObject({
      code: 'ALIAS_NOT_FOUND',
    });
    expect(await routingRevision(registry)).toBe(before + 4);
    const actions = await auditedActions(registry, `models/${model}/aliases/champion`);
    expect(actions).toEqual(['alias.set', 'alias.set', 'alias.delete']);
    const audited = await registry.admin.audit.list({
      query: { subject_prefix: `models/${model}/aliases/champion` },
    });
    expect(audited.items[1]).toMatchObject({ before: { version: 1 }, after: { version: 2 } });
  });

  it('names only what is there: a version of its model that is not archived', async () => {
    const model = await newModel(registry);
    const other = await newModel(registry);
    await newVersion(registry, model);
    await expect(setAlias(other, 'best', 1)).rejects.toMatchObject({
      status: 404,
      code: 'VERSION_NOT_FOUND',
    });
    await expect(setAlias('nothing', 'best', 1)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    await expect(setAlias(model, 'latest', 1)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await registry.admin.versions.archive({ params: { model, version: '1' } });
    await expect(setAlias(model, 'best', 1)).rejects.toMatchObject({ code: 'VERSION_NOT_READY' });
  });

  it('that gets traffic moves only to a READY version and cannot be deleted', async () => {
    const model = await newModel(registry);
    await newReadyVersion(registry, model);
    await newVersion(registry, model);
    await newReadyVersion(registry, model);
    await setAlias(model, 'live', 1);
    await sendTo(model, 'live');
    await expect(setAlias(model, 'live', 2)).rejects.toMatchObject({
      status: 409,
      code: 'VERSION_NOT_READY',
    });
    expect(await setAlias(model, 'live', 3)).toMatchObject({ version: 3 });
    const remove = registry.admin.aliases.remove({ params: { model, alias: 'live' } });
    await expect(remove).rejects.toMatchObject({ code: 'VERSION_IN_USE' });
  });

  it('and traffic that wants it never end up on a version that is not READY, whoever is first', async () => {
    for (let round = 0; round < 8; round += 1) {
      const model = await newModel(registry);
      await newReadyVersion(registry, model);
      await newVersion(registry, model);
      await setAlias(model, 'live', 1);
      const outcomes = await Promise.allSettled([sendTo(model, 'live'), setAlias(model, 'live', 2)]);
      expect(outcomes.map((outcome) => outcome.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    }
  });

  it('that is protected is moved and deleted only by callers with the scope for it', async () => {
    const model = await newModel(registry);
    await newVersion(registry, model);
    await newVersion(registry, model);
    await setAlias(model, 'champion', 1);
    const params = { model, alias: 'champion' };
    const publisher = await registry.caller('models:write');
    const operator = await registry.caller('models:write', 'aliases:protect');
    await expect(publisher.client.aliases.protect({ params })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await operator.client.aliases.protect({ params })).toMatchObject({ protected: true });
    const forbidden = { status: 403, code: 'ALIAS_PROTECTED' };
    await expect(publisher.client.aliases.set({ params, body: { version: 2 } })).rejects.toMatchObject(
      forbidden,
    );
    await expect(publisher.client.aliases.remove({ params })).rejects.toMatchObject(forbidden);
    const { url } = registry;
    const mlflow = await fetch(new URL('/api/2.0/mlflow/registered-models/alias', url), {
      method: 'POST',
      headers: { authorization: `Bearer ${publisher.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: model, alias: 'champion', version: '2' }),
    });
    expect([mlflow.status, await mlflow.json()]).toMatchObject([403, { error_code: 'PERMISSION_DENIED' }]);
    // What changes nothing is no move.
    expect(await publisher.client.aliases.set({ params, body: { version: 1 } })).toMatchObject({
      version: 1,
    });
    expect(await operator.client.aliases.set({ params, body: { version: 2 } })).toMatchObject({
      version: 2,
      protected: true,
    });
    await operator.client.aliases.unprotect({ params });
    await publisher.client.aliases.remove({ params });
  });

  it('has a history that outlives it', async () => {
    const model = await newModel(registry);
    await newVersion(registry, model);
    await newVersion(registry, model);
    const params = { model, alias: 'champion' };
    await setAlias(model, 'champion', 1);
    await setAlias(model, 'champion', 2);
    await registry.admin.aliases.protect({ params });
    await registry.admin.aliases.remove({ params });
    const first = await registry.admin.aliases.history({ params, query: { page_size: 3 } });
    const rest = await registry.admin.aliases.history({
      params,
      query: { page_token: first.next_page_token },
    });
    const moves = [...first.items, ...rest.items].map(
      ({ by, change, version, previous_version: previous }) => [by, change, previous, version],
    );
    expect(moves).toEqual([
      ['client:admin', 'delete', 2, null],
      ['client:admin', 'protect', 2, 2],
      ['client:admin', 'set', 1, 2],
      ['client:admin', 'set', null, 1],
    ]);
  });
});
