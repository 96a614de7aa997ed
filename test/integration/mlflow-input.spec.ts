/**
 * Every call of MLflow's protocol is there, and none is hurt by input: whatever stands in any field, the answer is a plain
 * success or MLflow's error, never a failure of the server.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
let token: string;
const ids: Record<string, string> = {};

type Json = Record<string, unknown>;
type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

async function call(method: Method, path: string, fields: Json): Promise<{ status: number; body: Json }> {
  const url = new URL(path.startsWith('/') ? path : `/api/2.0/mlflow/${path}`, 'http://registry');
  if (method === 'GET')
    for (const [name, value] of Object.entries(fields))
      for (const one of [value].flat()) url.searchParams.append(name, String(one));
  const answer = await registry.send(method, `${url.pathname}${url.search}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(method === 'GET' ? {} : { body: JSON.stringify(fields) }),
  });
  return { status: answer.status, body: (await answer.json()) as Json };
}

beforeAll(async () => {
  registry = await startRegistry();
  token = (await registry.caller('runs:write', 'models:write')).token;
  const made = await call('POST', 'runs/create', { experiment_id: '0' });
  const { info } = made.body['run'] as { info: { run_id: string; artifact_uri: string } };
  const model = await call('POST', 'logged-models', { experiment_id: '0', name: 'm' });
  Object.assign(ids, {
    run: info.run_id,
    logged: (model.body['model'] as { info: { model_id: string } }).info.model_id,
    experiment: (await call('POST', 'experiments/create', { name: 'e' })).body['experiment_id'],
  });
  const root = info.artifact_uri.slice('mlflow-artifacts:/'.length);
  await registry.send('PUT', `/api/2.0/mlflow-artifacts/artifacts/${root}/model/MLmodel`, {
    headers: { authorization: `Bearer ${token}` },
    body: 'flavors: {}\n',
  });
  await call('POST', 'registered-models/create', { name: 'rm' });
  await call('POST', 'model-versions/create', { name: 'rm', source: `runs:/${info.run_id}/model` });
});
afterAll(() => registry.close());

const run_id = '<run>';
const experiment_id = '<experiment>';
const model_id = '<logged>';
const version = { name: 'rm', version: '1' };
const search = { filter: '', order_by: [], max_results: 5, page_token: '' };
const tag = { key: 'k', value: 'v' };
const metric = { key: 'm', value: 1, timestamp: 1, step: 0 };
const ofModel = 'logged-models/<logged>';

/** Each call, with fields that are good; `<run>` and the like stand for ids. */
const calls: [Method, string, Json][] = [
  ['POST', 'experiments/create', { name: 'new', tags: [tag] }],
  ['GET', 'experiments/get', { experiment_id }],
  ['GET', 'experiments/get-by-name', { experiment_name: 'e' }],
  ['POST', 'experiments/search', { ...search, view_type: 'ALL' }],
  ['GET', 'experiments/search', { ...search, view_type: 'ALL' }],
  ['POST', 'experiments/update', { experiment_id, new_name: 'e2' }],
  ['POST', 'experiments/delete', { experiment_id }],
  ['POST', 'experiments/restore', { experiment_id }],
  ['POST', 'experiments/set-experiment-tag', { experiment_id, ...tag }],
  ['POST', 'experiments/delete-experiment-tag', { experiment_id, key: 'k' }],
  ['POST', 'experiments/search-datasets', { experiment_ids: [experiment_id] }],
  ['POST', 'runs/create', { experiment_id, user_id: 'u', run_name: 'n', start_time: 1, tags: [tag] }],
  ['GET', 'runs/get', { run_id }],
  ['POST', 'runs/update', { run_id, status: 'RUNNING', end_time: 1, run_name: 'n' }],
  ['POST', 'runs/log-metric', { run_id, ...metric, model_id, dataset_name: 'd', dataset_digest: 'd' }],
  ['POST', 'runs/log-parameter', { run_id, ...tag }],
  ['POST', 'runs/set-tag', { run_id, ...tag }],
  ['POST', 'runs/delete-tag', { run_id, key: 'k' }],
  ['POST', 'runs/log-batch', { run_id, metrics: [metric], params: [tag], tags: [tag] }],
  [
    'POST',
    'runs/log-inputs',
    {
      run_id,
      datasets: [{ tags: [tag], dataset: { name: 'd', digest: 'd', source_type: 's', source: '{}' } }],
      models: [{ model_id }],
    },
  ],
  ['POST', 'runs/outputs', { run_id, models: [{ model_id, step: 1 }] }],
  [
    'POST',
    'runs/log-model',
    { run_id, model_json: '{"artifact_path":"a","utc_time_created":"t","flavors":{}}' },
  ],
  ['POST', 'runs/search', { ...search, experiment_ids: [experiment_id], run_view_type: 'ALL' }],
  ['POST', 'runs/delete', { run_id }],
  ['POST', 'runs/restore', { run_id }],
  ['GET', 'metrics/get-history', { run_id, metric_key: 'm', max_results: 5, page_token: '' }],
  ['GET', 'metrics/get-history-bulk', { run_ids: [run_id], metric_key: 'm', max_results: 5 }],
  [
    'GET',
    'metrics/get-history-bulk-interval',
    { run_ids: [run_id], metric_key: 'm', start_step: 0, end_step: 9, max_results: 5 },
  ],
  ['GET', 'artifacts/list', { run_id, path: '', page_token: '' }],
  ['GET', '/api/2.0/mlflow-artifacts/artifacts', { path: '' }],
  [
    'POST',
    'logged-models',
    { experiment_id, name: 'l', model_type: 't', source_run_id: run_id, params: [tag] },
  ],
  ['GET', ofModel, {}],
  ['PATCH', ofModel, { status: 'LOGGED_MODEL_READY' }],
  ['POST', `${ofModel}/params`, { params: [tag] }],
  ['PATCH', `${ofModel}/tags`, { tags: [tag] }],
  ['DELETE', `${ofModel}/tags/k`, {}],
  [
    'POST',
    'logged-models/search',
    {
      filter: '',
      max_results: 5,
      page_token: '',
      experiment_ids: [experiment_id],
      datasets: [{ dataset_name: 'd' }],
      order_by: [{ field_name: 'metrics.m', ascending: true }],
    },
  ],
  ['GET', `${ofModel}/artifacts/directories`, { artifact_directory_path: '' }],
  ['POST', 'registered-models/create', { name: 'new', description: 'd', tags: [tag] }],
  ['PATCH', 'registered-models/update', { name: 'rm', description: 'd' }],
  ['GET', 'registered-models/get', { name: 'rm' }],
  ['GET', 'registered-models/search', search],
  ['POST', 'registered-models/get-latest-versions', { name: 'rm', stages: ['None'] }],
  ['POST', 'registered-models/set-tag', { name: 'rm', ...tag }],
  ['DELETE', 'registered-models/delete-tag', { name: 'rm', key: 'k' }],
  ['POST', 'registered-models/alias', { ...version, alias: 'a' }],
  ['GET', 'registered-models/alias', { name: 'rm', alias: 'a' }],
  ['DELETE', 'registered-models/alias', { name: 'rm', alias: 'a' }],
  [
    'POST',
    'model-versions/create',
    {
      name: 'rm',
      source: 'runs:/<run>/model',
      run_id,
      tags: [tag],
      run_link: 'l',
      description: 'd',
      model_id: '',
    },
  ],
  ['PATCH', 'model-versions/update', { ...version, description: 'd' }],
  [
    'POST',
    'model-versions/transition-stage',
    { ...version, stage: 'Staging', archive_existing_versions: true },
  ],
  ['GET', 'model-versions/get', version],
  ['GET', 'model-versions/search', search],
  ['GET', 'model-versions/get-download-uri', version],
  ['POST', 'model-versions/set-tag', { ...version, ...tag }],
  ['DELETE', 'model-versions/delete-tag', { ...version, key: 'k' }],
  ['DELETE', 'model-versions/delete', version],
  ['DELETE', ofModel, {}],
  ['DELETE', 'registered-models/delete', { name: 'rm' }],
];

const filled = <T>(value: T): T =>
  JSON.parse(JSON.stringify(value).replace(/<(\w+)>/g, (_, name: string) => ids[name] ?? name)) as T;

const hostile: unknown[] = [
  '',
  'a\u0000b',
  '\ud800',
  '🎉'.repeat(300),
  "'; DROP TABLE runs; --",
  '../../../etc/passwd',
  '${jndi:ldap://x}',
  '__proto__',
  -1,
  0.5,
  2 ** 63,
  '9'.repeat(400),
  true,
  [],
  [[1]],
  ['\u0000'],
  { constructor: { prototype: 1 } },
  [{ key: '\u0000', value: '\u0000' }],
];

/** The fields with one of them, also within lists and objects, made hostile. */
function* spoiled(value: unknown): Generator {
  yield* hostile;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value))
    for (const bad of spoiled(inner))
      yield Array.isArray(value) ? value.with(Number(key), bad) : { ...value, [key]: bad };
}

describe("MLflow's calls", () => {
  it.each(calls)('%s %s takes anything in its fields without failing', async (method, path, fields) => {
    const variants = Object.entries(filled(fields)).flatMap(([name, value]) =>
      [...spoiled(value)].map((bad): Json => ({ ...filled(fields), [name]: bad })),
    );
    const send = async (variant: Json): Promise<void> => {
      const { status, body } = await call(method, filled(path), variant);
      const told = `${JSON.stringify(variant).slice(0, 200)}: ${JSON.stringify(body).slice(0, 300)}`;
      expect([200, 400, 403, 404, 409], told).toContain(status);
      if (status === 200) return;
      expect(body, told).toEqual({
        error_code: expect.stringMatching(/^[A-Z_]+$/),
        message: expect.any(String),
      });
      expect(body['error_code'], told).not.toBe('ENDPOINT_NOT_FOUND');
    };
    for (let at = 0; at < variants.length; at += 20) await Promise.all(variants.slice(at, at + 20).map(send));
  });

  it('keep every tag when many are set at once', async () => {
    await call('POST', 'registered-models/create', { name: 'tagged' });
    const keys = Array.from({ length: 12 }, (_, i) => `k${i}`);
    await Promise.all(
      keys.map((key) => call('POST', 'registered-models/set-tag', { name: 'tagged', key, value: key })),
    );
    const { body } = await call('GET', 'registered-models/get', { name: 'tagged' });
    const { tags } = body['registered_model'] as { tags: { key: string }[] };
    expect(tags.map(({ key }) => key).toSorted()).toEqual(keys.toSorted());
  });
});
