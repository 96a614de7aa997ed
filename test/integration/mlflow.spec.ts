import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
let token: string;

beforeAll(async () => {
  registry = await startRegistry();
  token = (await registry.caller('runs:write', 'models:write')).token;
});
afterAll(() => registry.close());

async function call(method: 'GET' | 'POST', path: string, body?: object) {
  const answer = await registry.send(method, `/api/2.0/mlflow/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

async function startRun(): Promise<{ run_id: string; artifact_uri: string }> {
  const { body } = await call('POST', 'runs/create', { experiment_id: '0' });
  return (body['run'] as { info: { run_id: string; artifact_uri: string } }).info;
}

describe("MLflow's protocol", () => {
  it('answers errors in its own shape, also without a token and at unknown addresses', async () => {
    const open = await registry.send('GET', '/api/2.0/mlflow/runs/get?run_id=1');
    expect([open.status, await open.json()]).toMatchObject([401, { error_code: 'UNAUTHENTICATED' }]);
    expect(await call('GET', 'traces/search')).toMatchObject({
      status: 404,
      body: { error_code: 'ENDPOINT_NOT_FOUND' },
    });
    expect(await call('GET', `runs/get?run_id=${'0'.repeat(32)}`)).toMatchObject({
      status: 404,
      body: { error_code: 'RESOURCE_DOES_NOT_EXIST' },
    });
    await call('POST', 'experiments/create', { name: 'twice' });
    expect(await call('POST', 'experiments/create', { name: 'twice' })).toMatchObject({
      status: 400,
      body: { error_code: 'RESOURCE_ALREADY_EXISTS' },
    });
  });

  it.each(['a/b', 'a:b'])(
    'refuses the model name %j, which its own addresses could not tell apart',
    async (name) => {
      expect(await call('POST', 'registered-models/create', { name })).toEqual({
        status: 400,
        body: {
          error_code: 'INVALID_PARAMETER_VALUE',
          message: expect.stringContaining(`Registered model name cannot contain "/" or ":"`),
        },
      });
    },
  );

  it('takes metrics after the end of a run and keeps NaN and the infinities', async () => {
    const { run_id } = await startRun();
    await call('POST', 'runs/update', { run_id, status: 'FINISHED' });
    const metrics = ['NaN', 'Infinity', '-Infinity', 0.5].map((value, step) => ({
      key: 'm',
      value,
      step,
      timestamp: 1_000,
    }));
    expect(await call('POST', 'runs/log-batch', { run_id, metrics })).toEqual({ status: 200, body: {} });
    expect((await call('GET', `metrics/get-history?run_id=${run_id}&metric_key=m`)).body).toEqual({
      metrics,
    });
  });

  it('refuses filters that are none and sources that are elsewhere', async () => {
    for (const filter of [
      'metrics.a = 1; DROP TABLE runs',
      "params.a = 'x' OR true",
      "nobody.a = 'x'",
      "metrics.a = 'x'",
    ])
      expect((await call('POST', 'runs/search', { experiment_ids: ['0'], filter })).body['error_code']).toBe(
        'INVALID_PARAMETER_VALUE',
      );
    await call('POST', 'registered-models/create', { name: 'elsewhere' });
    for (const source of ['file:///etc/passwd', '/etc', 'http://127.0.0.1/x', 's3://bucket/x', 'runs:/../x'])
      expect(
        (await call('POST', 'model-versions/create', { name: 'elsewhere', source })).body['error_code'],
      ).toBe('INVALID_PARAMETER_VALUE');
  });

  it('freezes the files of a version and says why one cannot be served', async () => {
    const { run_id, artifact_uri } = await startRun();
    const path = `/api/2.0/mlflow-artifacts/artifacts/${artifact_uri.slice('mlflow-artifacts:/'.length)}/model/MLmodel`;
    const put = (body: string) =>
      registry.send('PUT', path, {
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body,
      });
    expect((await put('flavors:\n  sklearn:\n    pickled_model: model.pkl\n')).status).toBe(200);
    await call('POST', 'registered-models/create', { name: 'frozen' });
    const source = `runs:/${run_id}/model`;
    expect((await call('POST', 'model-versions/create', { name: 'frozen', source })).body).toMatchObject({
      model_version: { version: '1', status: 'READY', run_id },
    });
    await put('changed');
    const uri = (await call('GET', 'model-versions/get-download-uri?name=frozen&version=1')).body[
      'artifact_uri'
    ];
    const frozen = String(uri).slice('mlflow-artifacts:/'.length);
    const file = await registry.send('GET', `/api/2.0/mlflow-artifacts/artifacts/${frozen}/MLmodel`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await file.text()).toContain('sklearn');
    const version = await registry.admin.versions.read({ params: { model: 'frozen', version: '1' } });
    expect(version.status).toBe('FAILED');
    expect(version.status_reason).toContain('sklearn');
  });
});
