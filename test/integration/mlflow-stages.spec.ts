/** Stages of MLflow, which are aliases: what an endpoint follows is released by a transition. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
let token: string;
/** May not move what is protected. */
let modest: string;

beforeAll(async () => {
  registry = await startRegistry();
  token = registry.adminToken;
  modest = (await registry.caller('models:write')).token;
});
afterAll(() => registry.close());

interface Version {
  readonly version: string;
  readonly current_stage: string;
  readonly aliases: readonly string[];
}

async function call(method: 'GET' | 'POST', path: string, body?: object, bearer = token) {
  const answer = await registry.send(method, `/api/2.0/mlflow/${path}`, {
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const transition = (name: string, version: number, stage: string, archives = false, bearer = token) =>
  call(
    'POST',
    'model-versions/transition-stage',
    { name, version: String(version), stage, archive_existing_versions: archives },
    bearer,
  );

/** The stages of all versions, by number. */
async function stagesOf(name: string): Promise<Record<string, string>> {
  const { body } = await call(
    'GET',
    `model-versions/search?filter=${encodeURIComponent(`name = '${name}'`)}`,
  );
  const versions = body['model_versions'] as Version[];
  return Object.fromEntries(versions.map(({ version, current_stage }) => [version, current_stage]));
}

/** What `models:/name/<stage>` loads. */
async function latest(name: string, ...stages: string[]): Promise<string[]> {
  const { body } = await call('POST', 'registered-models/get-latest-versions', { name, stages });
  return (body['model_versions'] as Version[]).map(({ version }) => version);
}

/** With versions that are READY at once. */
async function modelOf(versions: number): Promise<string> {
  const model = randomUUID();
  await registry.admin.models.create({ body: { name: model } });
  for (let i = 0; i < versions; i += 1)
    await registry.admin.externalNodes.createVersion({ params: { model }, body: {} });
  return model;
}

async function follow(endpoint: string, alias: string): Promise<void> {
  const { revision } = await registry.admin.endpoints.read({ params: { endpoint } });
  await registry.admin.endpoints.setTraffic({
    params: { endpoint },
    body: { split: [{ version: alias, weight: 1 }] },
    headers: { 'if-match': `"${revision}"` },
  });
}

describe('a transition', () => {
  it('moves the alias of the stage, and what follows it', async () => {
    const model = await modelOf(2);
    expect((await transition(model, 1, 'production')).body['model_version']).toMatchObject({
      current_stage: 'Production',
      aliases: ['production'],
    });
    await follow(model, 'production');
    expect(await latest(model, 'Production')).toEqual(['1']);
    const revision = async () =>
      (await registry.dataSource.query<{ revision: string }[]>('SELECT revision FROM snapshot_state'))[0]
        ?.revision;
    const before = await revision();
    expect((await transition(model, 2, 'Production', true)).status).toBe(200);
    expect(await revision()).not.toBe(before);
    expect(await stagesOf(model)).toEqual({ 1: 'Archived', 2: 'Production' });
    expect(await latest(model, 'Production')).toEqual(['2']);
    // Back: MLflow would go on loading the highest number.
    await transition(model, 1, 'Production');
    expect(await latest(model, 'Production')).toEqual(['1']);
    expect(await stagesOf(model)).toEqual({ 1: 'Production', 2: 'None' });
    const history = await registry.admin.aliases.history({
      params: { model, alias: 'production' },
      query: {},
    });
    expect(history.items.map(({ change, version }) => [change, version])).toEqual([
      ['set', 1],
      ['set', 2],
      ['set', 1],
    ]);
    const events = await registry.dataSource.query<{ type: string }[]>(
      `SELECT type FROM events WHERE subject IN ('models/${model}/versions/1', 'models/${model}/aliases/production') ORDER BY id`,
    );
    expect(events.map(({ type }) => type).slice(-2)).toEqual(['alias.set', 'version.stage']);
  });

  it('is what moving the alias is', async () => {
    const model = await modelOf(2);
    await call('POST', 'registered-models/alias', { name: model, alias: 'staging', version: '2' });
    expect(await stagesOf(model)).toEqual({ 1: 'None', 2: 'Staging' });
    await transition(model, 2, 'Production');
    expect(await stagesOf(model)).toEqual({ 1: 'None', 2: 'Production' });
    expect(
      (await registry.admin.aliases.list({ params: { model } })).items.map(({ alias }) => alias),
    ).toEqual(['production']);
    await transition(model, 2, 'Archived');
    expect(await stagesOf(model)).toEqual({ 1: 'None', 2: 'Archived' });
    // Archived in MLflow's sense is a mark: the version is there, and Sluice's archive is another thing.
    expect((await call('GET', `model-versions/get?name=${model}&version=2`)).status).toBe(200);
    expect(await latest(model)).toEqual(['2', '1']);
    expect(await latest(model, 'Staging', 'production')).toEqual([]);
  });

  it('keeps to the protection of aliases, and leaves no stage empty that traffic follows', async () => {
    const model = await modelOf(2);
    await transition(model, 1, 'Staging');
    await follow(model, 'staging');
    for (const stage of ['None', 'Archived'])
      expect(await transition(model, 1, stage)).toMatchObject({
        status: 409,
        body: { error_code: 'RESOURCE_CONFLICT' },
      });
    // It goes on to production, and stays what callers of staging get until the next one comes.
    await transition(model, 1, 'Production');
    expect(await latest(model, 'Production')).toEqual(['1']);
    await registry.admin.aliases.protect({ params: { model, alias: 'production' } });
    const refused = await transition(model, 2, 'Production', true, modest);
    expect(refused).toMatchObject({ status: 403, body: { error_code: 'PERMISSION_DENIED' } });
    expect(await stagesOf(model)).toEqual({ 1: 'Production', 2: 'None' });
    expect((await transition(model, 2, 'Staging', false, modest)).status).toBe(200);
    expect(await stagesOf(model)).toEqual({ 1: 'Production', 2: 'Staging' });
  });

  it('refuses stages that are none, versions that are gone, and to archive for no stage', async () => {
    const model = await modelOf(2);
    expect((await transition(model, 1, 'Canary')).body['error_code']).toBe('INVALID_PARAMETER_VALUE');
    expect((await transition(model, 1, 'Archived', true)).body['error_code']).toBe('INVALID_PARAMETER_VALUE');
    expect((await transition(model, 9, 'Production')).body['error_code']).toBe('RESOURCE_DOES_NOT_EXIST');
    await registry.admin.versions.archive({ params: { model, version: '1' } });
    expect((await transition(model, 1, 'Production')).body['error_code']).toBe('RESOURCE_DOES_NOT_EXIST');
    const unknown = await call('POST', 'registered-models/get-latest-versions', {
      name: model,
      stages: ['x'],
    });
    expect(unknown.body['error_code']).toBe('INVALID_PARAMETER_VALUE');
    const both = await Promise.all([transition(model, 2, 'Staging'), transition(model, 2, 'Production')]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
  });
});
