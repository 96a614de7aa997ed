/** What of MLflow's protocol the stock client seldom or never calls, and what happens to input that is wrong. */
import { createHash, randomBytes } from 'node:crypto';
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

type Json = Record<string, unknown>;
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
const artifacts = '/api/2.0/mlflow-artifacts';

const send = (method: Method, path: string, body?: string | Uint8Array<ArrayBuffer>): Promise<Response> =>
  registry.send(method, path, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body }),
  });

async function call(method: Method, path: string, body?: object) {
  const url = path.startsWith('/') ? path : `/api/2.0/mlflow/${path}`;
  const answer = await send(method, url, body === undefined ? undefined : JSON.stringify(body));
  return { status: answer.status, body: (await answer.json()) as Json };
}

async function startRun(): Promise<{ run_id: string; root: string }> {
  const { body } = await call('POST', 'runs/create', { experiment_id: '0' });
  const { run_id, artifact_uri } = (body['run'] as { info: { run_id: string; artifact_uri: string } }).info;
  return { run_id, root: artifact_uri.slice('mlflow-artifacts:/'.length) };
}

describe('a file in parts', () => {
  interface Created {
    upload_id: string;
    credentials: { url: string; part_number: number; headers: object }[];
  }
  const parts = [randomBytes(300_000), randomBytes(300_000), randomBytes(7)];

  async function create(root: string): Promise<Created> {
    const { status, body } = await call('POST', `${artifacts}/mpu/create/${root}/sub%20dir`, {
      path: '/home/ada/big.bin',
      num_parts: parts.length,
    });
    expect(status).toBe(200);
    return body as unknown as Created;
  }
  /** As the client sends them: to the address that it was given, without its token. */
  const put = (url: string, part: Buffer) => fetch(url, { method: 'PUT', body: new Uint8Array(part) });

  it('arrives in any order, again and at once, and is whole when it is complete', async () => {
    const { root } = await startRun();
    const { upload_id, credentials } = await create(root);
    const sent = await Promise.all(
      [2, 0, 1, 1].map(async (i) => {
        const credential = credentials[i];
        const answer = await put(credential?.url ?? '', parts[i] ?? Buffer.alloc(0));
        expect(answer.status).toBe(200);
        return { part_number: credential?.part_number, etag: answer.headers.get('etag') };
      }),
    );
    const complete = () =>
      call('POST', `${artifacts}/mpu/complete/${root}/sub%20dir`, {
        path: '/home/ada/big.bin',
        upload_id,
        parts: sent,
      });
    expect(await complete()).toEqual({ status: 200, body: {} });
    expect(await complete()).toEqual({ status: 200, body: {} });
    const file = await send('GET', `${artifacts}/artifacts/${root}/sub%20dir/big.bin`);
    expect(Buffer.from(await file.arrayBuffer()).equals(Buffer.concat(parts))).toBe(true);
    expect(file.headers.get('etag')).toBe(
      `"${createHash('sha256').update(Buffer.concat(parts)).digest('hex')}"`,
    );
  });

  it('takes nothing without its secret, no other parts, and nothing once it was given up', async () => {
    const { root } = await startRun();
    const { upload_id, credentials } = await create(root);
    const url = new URL(credentials[0]?.url ?? '');
    url.searchParams.set('secret', 'x'.repeat(43));
    const forged = await put(url.href, Buffer.from('x'));
    expect([forged.status, await forged.json()]).toMatchObject([403, { error_code: 'PERMISSION_DENIED' }]);
    const beyond = (credentials[0]?.url ?? '').replace('/1?', '/9?');
    expect((await put(beyond, Buffer.from('x'))).status).toBe(400);
    const folder = `${root}/sub%20dir`;
    const ofUpload = { path: 'big.bin', upload_id };
    expect(
      await call('POST', `${artifacts}/mpu/complete/${folder}`, { ...ofUpload, parts: [] }),
    ).toMatchObject({
      status: 400,
      body: { message: 'Part 1 of 3 has not arrived.' },
    });
    expect(await call('POST', `${artifacts}/mpu/abort/${folder}`, ofUpload)).toEqual({
      status: 200,
      body: {},
    });
    expect(await call('POST', `${artifacts}/mpu/abort/${folder}`, ofUpload)).toEqual({
      status: 200,
      body: {},
    });
    expect((await put(credentials[0]?.url ?? '', Buffer.from('x'))).status).not.toBe(200);
    expect(
      (await call('POST', `${artifacts}/mpu/create/0/elsewhere`, { path: 'a', num_parts: 1 })).status,
    ).toBe(400);
  });

  it('has no presigned addresses, upon which the client goes through the server', async () => {
    for (const [method, path] of [
      ['GET', `${artifacts}/presigned/0/x`],
      ['POST', 'artifacts/presigned-upload-url'],
      ['POST', 'artifacts/presigned-download-url'],
    ] as const)
      expect(await call(method, path, method === 'GET' ? undefined : {})).toMatchObject({
        status: 501,
        body: { error_code: 'NOT_IMPLEMENTED' },
      });
  });
});

describe('calls of pages and of other clients', () => {
  it('list and send the artifacts of runs and versions', async () => {
    const { run_id, root } = await startRun();
    await send('PUT', `${artifacts}/artifacts/${root}/model/MLmodel`, 'flavors: {}\n');
    await send('PUT', `${artifacts}/artifacts/${root}/note.txt`, 'hello');
    expect((await call('GET', `artifacts/list?run_id=${run_id}`)).body).toEqual({
      root_uri: `mlflow-artifacts:/${root}`,
      files: [
        { path: 'model', is_dir: true },
        { path: 'note.txt', is_dir: false, file_size: 5 },
      ],
    });
    expect((await call('GET', `artifacts/list?run_id=${run_id}&path=model`)).body).toMatchObject({
      files: [{ path: 'model/MLmodel', is_dir: false, file_size: 12 }],
    });
    const file = await send('GET', `/get-artifact?run_uuid=${run_id}&path=note.txt`);
    expect([file.status, await file.text(), file.headers.get('x-content-type-options')]).toEqual([
      200,
      'hello',
      'nosniff',
    ]);
    await call('POST', 'registered-models/create', { name: 'sent' });
    await call('POST', 'model-versions/create', { name: 'sent', source: `runs:/${run_id}/model` });
    const ofVersion = await send('GET', '/model-versions/get-artifact?name=sent&version=1&path=MLmodel');
    expect(await ofVersion.text()).toBe('flavors: {}\n');
    for (const path of ['../../../etc/passwd', '..%2F..%2Fsecret', '/etc/passwd'])
      expect(await call('GET', `/get-artifact?run_uuid=${run_id}&path=${path}`)).toMatchObject({
        status: 404,
        body: { error_code: 'RESOURCE_DOES_NOT_EXIST' },
      });
  });

  it('tell without a token that the server is there, and nothing else', async () => {
    expect(await (await registry.send('GET', '/health')).text()).toBe('OK');
    expect(await (await registry.send('GET', '/version')).text()).toMatch(/^\d+\.\d+\.\d+$/);
    const info = (await (await registry.send('GET', '/api/3.0/mlflow/server-info')).json()) as Json;
    expect(info).toMatchObject({ store_type: 'SqlStore', workspaces_enabled: false });
    expect((await registry.send('GET', '/get-artifact?run_uuid=x&path=y')).status).toBe(401);
  });

  it('log models of MLflow 2 once each', async () => {
    const { run_id } = await startRun();
    const model = (artifact_path: string) =>
      JSON.stringify({ artifact_path, utc_time_created: '2026-01-01', flavors: { onnx: {} }, run_id });
    for (const path of ['a', 'b', 'a'])
      expect((await call('POST', 'runs/log-model', { run_id, model_json: model(path) })).status).toBe(200);
    const run = (await call('GET', `runs/get?run_id=${run_id}`)).body['run'] as {
      data: { tags: { key: string; value: string }[] };
    };
    const tag = run.data.tags.find(({ key }) => key === 'mlflow.log-model.history');
    expect((JSON.parse(tag?.value ?? '[]') as Json[]).map(({ artifact_path }) => artifact_path)).toEqual([
      'a',
      'b',
    ]);
    expect((await call('POST', 'runs/log-model', { run_id, model_json: '{"a":' })).status).toBe(400);
  });
});

describe('datasets and logged models', () => {
  it('are the inputs and outputs of runs, by which runs are found', async () => {
    const made = await call('POST', 'experiments/create', { name: 'with data' });
    const experiment_id = String(made.body['experiment_id']);
    const created = await call('POST', 'runs/create', { experiment_id });
    const { run_id } = (created.body['run'] as { info: { run_id: string } }).info;
    const dataset = { name: 'wine', digest: 'd1', source_type: 'local', source: '{}', schema: '{"a":1}' };
    const tags = [{ key: 'mlflow.data.context', value: 'training' }];
    const logged = await call('POST', 'logged-models', { experiment_id, name: 'm', source_run_id: run_id });
    const { model_id } = (logged.body['model'] as { info: { model_id: string } }).info;
    for (let again = 0; again < 2; again += 1) {
      await call('POST', 'runs/log-inputs', {
        run_id,
        datasets: [{ tags, dataset }],
        models: [{ model_id }],
      });
      await call('POST', 'runs/outputs', { run_id, models: [{ model_id, step: 7 }] });
    }
    const run = (await call('GET', `runs/get?run_id=${run_id}`)).body['run'];
    expect(run).toMatchObject({
      inputs: { dataset_inputs: [{ tags, dataset }], model_inputs: [{ model_id }] },
      outputs: { model_outputs: [{ model_id, step: 7 }] },
    });
    const summary = { experiment_id, name: 'wine', digest: 'd1', context: 'training' };
    for (const path of ['experiments/search-datasets', '/api/2.0mlflow/experiments/search-datasets'])
      expect((await call('POST', path, { experiment_ids: [experiment_id] })).body).toEqual({
        dataset_summaries: [summary],
      });
    const found = async (filter: string): Promise<number> => {
      const { body } = await call('POST', 'runs/search', { experiment_ids: [experiment_id], filter });
      return (body['runs'] as unknown[]).length;
    };
    expect(await found("datasets.name = 'wine' AND dataset.context LIKE 'train%'")).toBe(1);
    expect(await found("datasets.digest = 'd2'")).toBe(0);
  });

  it('keep the latest metric of a model per dataset, and are searched and sorted by it', async () => {
    const { body } = await call('POST', 'experiments/create', { name: 'measured' });
    const experiment_id = String(body['experiment_id']);
    const { run_id } = await startRun();
    const ids: string[] = [];
    for (const [i, value] of [0.5, 0.9, 0.7].entries()) {
      const { body: made } = await call('POST', 'logged-models', { experiment_id, name: `m${i}` });
      const { model_id } = (made['model'] as { info: { model_id: string } }).info;
      ids.push(model_id);
      const metric = { key: 'acc', timestamp: 5, model_id, dataset_name: 'test', dataset_digest: 'd' };
      const metrics = [
        { ...metric, value: 0, step: 1 },
        { ...metric, value, step: 2 },
      ];
      for (let again = 0; again < 2; again += 1)
        expect((await call('POST', 'runs/log-batch', { run_id, metrics })).status).toBe(200);
    }
    const { body: one } = await call('GET', `logged-models/${ids[1]}`);
    expect(one['model']).toMatchObject({
      data: { metrics: [{ key: 'acc', value: 0.9, step: 2, dataset_name: 'test', run_id }] },
    });
    const search = async (more: object): Promise<string[]> => {
      const { body: page } = await call('POST', 'logged-models/search', {
        experiment_ids: [experiment_id],
        ...more,
      });
      return (page['models'] as { info: { name: string } }[]).map(({ info }) => info.name);
    };
    const order_by = [{ field_name: 'metrics.acc', ascending: false }];
    expect(await search({ filter: 'metrics.acc > 0.6', order_by })).toEqual(['m1', 'm2']);
    expect(await search({ order_by, datasets: [{ dataset_name: 'test' }] })).toEqual(['m1', 'm2', 'm0']);
    expect(await search({ filter: 'metrics.acc > 0.6', datasets: [{ dataset_name: 'other' }] })).toEqual([]);
    const unknown = { key: 'acc', value: 1, timestamp: 1, model_id: `m-${'0'.repeat(32)}` };
    expect((await call('POST', 'runs/log-batch', { run_id, metrics: [unknown] })).status).toBe(404);
  });
});

describe('bad input', () => {
  const long = (chars: number): string => 'x'.repeat(chars);
  const metric = (fields: object): object => ({ metrics: [{ key: 'm', value: 1, timestamp: 1, ...fields }] });
  const many = (count: number, make: (i: number) => object): object[] =>
    Array.from({ length: count }, (_, i) => make(i));

  it.each<[string, object]>([
    ['a wrong type', metric({ value: 'much' })],
    ['a time before all times', metric({ timestamp: -1 })],
    ['a step that is no whole number', metric({ step: 0.5 })],
    ['a step beyond what is exact', metric({ step: 2 ** 60 })],
    ['a key that is too long', metric({ key: long(251) })],
    ['an empty key', metric({ key: '' })],
    ['an emoji in a key', metric({ key: 'loss 🎉' })],
    ['a key that climbs', metric({ key: '../loss' })],
    ['a key with a zero byte', metric({ key: 'a\u0000b' })],
    ['too many metrics', { metrics: many(1_001, (i) => ({ key: `m${i}`, value: 1, timestamp: 1 })) }],
    ['too many params', { params: many(101, (i) => ({ key: `p${i}`, value: '1' })) }],
    ['too many tags', { tags: many(101, (i) => ({ key: `t${i}`, value: '1' })) }],
    ['a param that is too long', { params: [{ key: 'p', value: long(6_001) }] }],
    ['a tag that is too long', { tags: [{ key: 't', value: long(8_001) }] }],
    [
      'one param with two values',
      {
        params: [
          { key: 'p', value: '1' },
          { key: 'p', value: '2' },
        ],
      },
    ],
    ['no list', { metrics: 'all' }],
    ['a run that is none', { run_id: "' OR 1=1 --", ...metric({}) }],
  ])('%s is refused by log-batch, and nothing of it is kept', async (_, body) => {
    const { run_id } = await startRun();
    const answer = await call('POST', 'runs/log-batch', { run_id, ...body });
    expect([400, 404]).toContain(answer.status);
    expect(answer.body['error_code']).toMatch(/^(INVALID_PARAMETER_VALUE|RESOURCE_DOES_NOT_EXIST)$/);
    const run = (await call('GET', `runs/get?run_id=${run_id}`)).body['run'];
    expect(run).toMatchObject({ data: { metrics: [], params: [] } });
  });

  it('takes what lies at the limits, unknown fields and every number', async () => {
    const { run_id } = await startRun();
    const body = {
      run_id,
      nobody_knows: { this: 'field' },
      metrics: [
        { key: long(250), value: 'NaN', timestamp: '1', step: '-3', unknown: 1 },
        { key: 'a/b c.d-e_f:g', value: '-Infinity', timestamp: 8_640_000_000_000_000, step: 2 ** 53 - 1 },
        { key: 'größe', value: -1.7976931348623157e308, timestamp: 0 },
      ],
      params: [{ key: 'p', value: '🎉'.repeat(1_000) }],
      tags: [{ key: 't', value: long(8_000) }],
    };
    expect(await call('POST', 'runs/log-batch', body)).toEqual({ status: 200, body: {} });
    expect(await call('POST', 'runs/log-batch', body)).toEqual({ status: 200, body: {} });
  });

  it.each([
    'metrics.a = 1; DROP TABLE runs',
    "params.a = 'x' OR 1=1",
    "attributes.status = 'x' UNION SELECT secret FROM clients",
    "params.`a' OR '1'='1` = 'x' --",
    "tags.a = 'x'; SELECT pg_sleep(10)",
    "attributes.password = 'x'",
    "metrics.a LIKE '%'",
    "metrics.a > 'x'",
    'params.a = ',
    "params.a IN ('x'",
    long(20_001),
    '\u0000',
  ])('refuses the filter %j', async (filter) => {
    const answer = await call('POST', 'runs/search', { experiment_ids: ['0'], filter });
    expect(answer).toMatchObject({ status: 400, body: { error_code: 'INVALID_PARAMETER_VALUE' } });
  });

  it('gives back what it took to the character and the bit, in whatever order it came', async () => {
    const { run_id } = await startRun();
    const odd = [
      '',
      'a"b\\c',
      'line\nline\r\t\b',
      '\u001e',
      '\u001f',
      '\u001es\u001e\u001fe',
      '🎉 größe',
      '{"a":[1]}',
      'NaN',
    ];
    const pairs = odd.map((value, i) => ({ key: `k${i}`, value }));
    const numbers = [0.1 + 0.2, -7, 5e-324, 1e21, -1.7976931348623157e308, 'NaN', 'Infinity', '-Infinity'];
    const metrics = numbers.map((value, i) => ({ key: `m${i}`, value, timestamp: 2 ** 42, step: 5 - i }));
    expect(
      await call('POST', 'runs/log-batch', {
        run_id,
        metrics: metrics.toReversed(),
        params: pairs,
        tags: pairs.toReversed(),
      }),
    ).toEqual({ status: 200, body: {} });
    const run = (await call('GET', `runs/get?run_id=${run_id}`)).body['run'] as {
      data: { params: object[]; tags: { key: string }[]; metrics: object[] };
    };
    expect(run.data.params).toEqual(pairs);
    expect(run.data.tags.filter(({ key }) => key.startsWith('k'))).toEqual(pairs);
    expect(run.data.metrics).toEqual(metrics);
  });

  it('takes quotes, wildcards and backslashes in values for what they are', async () => {
    const { run_id } = await startRun();
    const value = String.raw`a'b"c\%_`;
    await call('POST', 'runs/set-tag', { run_id, key: 'odd', value });
    const found = async (filter: string): Promise<number> => {
      const { status, body } = await call('POST', 'runs/search', { experiment_ids: ['0'], filter });
      expect([status, body]).toEqual([200, body]);
      return (body['runs'] as unknown[]).length;
    };
    expect(await found(`tags.odd = '${value.replace("'", "''")}'`)).toBe(1);
    expect(await found(String.raw`tags.odd LIKE '%\'`)).toBe(0);
    expect(await found("tags.odd ILIKE 'A''B%'")).toBe(1);
  });

  it.each<[string, Method, string, object | string]>([
    ['a registered name with a slash', 'POST', 'registered-models/create', { name: 'a/b' }],
    ['a registered name with a colon', 'POST', 'registered-models/create', { name: 'a:b' }],
    ['an empty name', 'POST', 'registered-models/create', { name: '' }],
    ['no name', 'POST', 'registered-models/create', {}],
    ['a renaming', 'POST', 'registered-models/rename', { name: 'a', new_name: 'b' }],
    ['an alias like a version', 'POST', 'registered-models/alias', { name: 'a', alias: 'v1', version: '1' }],
    [
      'an alias that is latest',
      'POST',
      'registered-models/alias',
      { name: 'a', alias: 'latest', version: '1' },
    ],
    ['a version that is no number', 'GET', 'model-versions/get?name=a&version=one', ''],
    [
      'an experiment with a location',
      'POST',
      'experiments/create',
      { name: 'x', artifact_location: 's3://b' },
    ],
    ['a name that is too long', 'POST', 'experiments/create', { name: 'x'.repeat(501) }],
    ['a body that is no object', 'POST', 'runs/create', '[1]'],
    ['a body that is no JSON', 'POST', 'runs/create', '{"a":'],
    ['a page beyond the limit', 'POST', 'runs/search', { experiment_ids: ['0'], max_results: 50_001 }],
  ])('%s is a clear 400', async (_, method, path, body) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const answer = await send(method, `/api/2.0/mlflow/${path}`, text === '' ? undefined : text);
    const { error_code, message } = (await answer.json()) as { error_code: string; message: string };
    expect([answer.status, error_code]).toEqual([400, 'INVALID_PARAMETER_VALUE']);
    expect(message).not.toBe('');
  });

  it('refuses a tag of 10 MB, takes one of 100,000 characters and no more', async () => {
    await call('POST', 'registered-models/create', { name: 'tagged 🎉' });
    const tag = (value: string) =>
      call('POST', 'registered-models/set-tag', { name: 'tagged 🎉', key: 'k', value });
    expect((await tag(long(10_000_000))).status).toBe(413);
    expect((await tag(long(100_001))).body['error_code']).toBe('INVALID_PARAMETER_VALUE');
    expect(await tag(long(100_000))).toEqual({ status: 200, body: {} });
    const name = encodeURIComponent('tagged 🎉');
    const { body } = await call('GET', `registered-models/get?name=${name}`);
    expect(body['registered_model']).toMatchObject({ tags: [{ key: 'k', value: long(100_000) }] });
  });

  it('answers duplicates as MLflow does', async () => {
    await call('POST', 'registered-models/create', { name: 'twice' });
    for (const [path, body] of [
      ['registered-models/create', { name: 'twice' }],
      ['experiments/create', { name: 'Default' }],
    ] as const)
      expect(await call('POST', path, body)).toMatchObject({
        status: 400,
        body: { error_code: 'RESOURCE_ALREADY_EXISTS' },
      });
  });
});
