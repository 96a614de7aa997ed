/** Creations whose answer gets lost, and equal ones that are meant. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { eventually } from '../support/platform.js';

let registry: TestRegistry;
let token: string;

beforeAll(async () => {
  registry = await startRegistry();
  token = (await registry.caller('runs:write', 'models:write', 'quotas:write')).token;
});
afterAll(() => registry.close());

type Json = Record<string, unknown>;
const stockClient = 'mlflow-python-client/3.17.2';
const root = '/api/2.0/mlflow';

async function call(path: string, body: object, headers: Record<string, string> = {}, to = registry) {
  const answer = await to.send('POST', path, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Json };
}
const mlflow = (path: string, body: object, headers?: Record<string, string>, to?: TestRegistry) =>
  call(`${root}/${path}`, body, headers, to);

async function count(table: string, condition = 'true'): Promise<number> {
  const [row] = await registry.dataSource.query<{ n: number }[]>(
    `SELECT count(*)::int4 AS n FROM ${table} WHERE ${condition}`,
  );
  return row?.n ?? 0;
}

/** Sends a request whose connection breaks while the registry works on it: what it writes waits for a lock on `table` until then. */
async function sendAndBreakOff(path: string, body: object, table: string): Promise<void> {
  const blocker = new Client({ connectionString: registry.databaseUrl });
  await blocker.connect();
  await blocker.query(`BEGIN; LOCK TABLE ${table} IN SHARE MODE`);
  const socket = connect(Number(new URL(registry.url).port), '127.0.0.1');
  await once(socket, 'connect');
  const text = JSON.stringify(body);
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: sluice\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  await eventually(async () => {
    const { rows } = await blocker.query<{ n: number }>(
      `SELECT count(*)::int4 AS n FROM pg_locks WHERE NOT granted AND relation = '${table}'::regclass
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    return (rows[0]?.n ?? 0) > 0 || undefined;
  }, 'the registry waits for the lock');
  socket.destroy();
  await once(socket, 'close');
  await blocker.query('COMMIT');
  await blocker.end();
}

const logged = (): Json => ({ experiment_id: '0', name: 'm', tags: [{ key: 'a', value: randomUUID() }] });
const run = (): Json => ({
  experiment_id: '0',
  run_name: randomUUID(),
  start_time: Date.now(),
  tags: [{ key: 'mlflow.user', value: 'ada' }],
});

async function versionSource(): Promise<{ name: string; source: string }> {
  const name = randomUUID();
  await mlflow('registered-models/create', { name });
  const made = await mlflow('logged-models', logged());
  const { model_id, artifact_uri } = (made.body['model'] as { info: Record<string, string> }).info;
  await registry.send('PUT', `/api/2.0/mlflow-artifacts/artifacts/${artifact_uri?.slice(18)}/MLmodel`, {
    headers: { authorization: `Bearer ${token}` },
    body: 'flavors: {}\n',
  });
  return { name, source: `models:/${model_id}` };
}

describe('a creation whose answer is lost', () => {
  it.each([
    ['runs/create', 'runs', async () => run()],
    ['experiments/create', 'experiments', async () => ({ name: randomUUID() })],
    ['registered-models/create', 'models', async () => ({ name: randomUUID() })],
    ['model-versions/create', 'versions', versionSource],
    ['logged-models', 'logged_models', async () => logged()],
  ])('is found again by its repeat: %s', async (path, table, bodyOf) => {
    const body = await bodyOf();
    await registry.send('GET', `${root}/experiments/get?experiment_id=0`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const before = await count(table);
    await sendAndBreakOff(`${root}/${path}`, body, table);
    const repeats = [await mlflow(path, body), await mlflow(path, { ...body, extra: 1 })];
    expect(repeats[0]?.status).toBe(200);
    expect(await count(table)).toBe(before + (repeats[1]?.status === 200 ? 2 : 1));
    await eventually(async () => (await count('creations')) === 0 || undefined, 'every answer is noted');
  });

  it('is found again after the death of the registry, by another one', async () => {
    const body = run();
    const before = await count('runs');
    await sendAndBreakOff(`${root}/runs/create`, body, 'runs');
    await eventually(async () => (await count('creations', 'lost')) === 1 || undefined, 'the loss is noted');
    // A process that dies between the commit and the answer notes nothing.
    await registry.dataSource.query(
      `UPDATE creations SET lost = false, made_at = now() - interval '4.5 seconds'`,
    );
    const { SLUICE_ARTIFACTS_DIR } = registry.config;
    const other = await openRegistry(registry.databaseUrl, { SLUICE_ARTIFACTS_DIR });
    onTestFinished(() => other.close());
    expect((await mlflow('runs/create', body, {}, other)).status).toBe(200);
    expect(await count('runs')).toBe(before + 1);
  });

  it('whose answer reached a proxy and no further is found by the caller’s next request', async () => {
    const body = run();
    const ids = [await mlflow('runs/create', body), await mlflow('runs/create', body)].map(
      (answer) => (answer.body['run'] as { info: { run_id: string } }).info.run_id,
    );
    expect(new Set(ids).size).toBe(1);
    const source = await versionSource();
    const headers = { 'user-agent': stockClient };
    const version = async () =>
      ((await mlflow('model-versions/create', source, headers)).body['model_version'] as Json)['version'];
    expect([await version(), await version()]).toEqual(['1', '1']);
    // What registers a version on purpose looks at the model first.
    await registry.send('GET', `${root}/registered-models/get?name=${source.name}`, {
      headers: { authorization: `Bearer ${token}`, ...headers },
    });
    expect(await version()).toBe('2');
  });
});

describe('equal creations that are meant', () => {
  it('all happen when they come at once, or one after another without a time of the moment', async () => {
    const body = run();
    const before = await count('runs');
    const answers = await Promise.all(Array.from({ length: 8 }, () => mlflow('runs/create', body)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(await count('runs')).toBe(before + 8);
    // A thread that was late.
    await mlflow('runs/create', body);
    await mlflow('runs/create', body);
    expect(await count('runs')).toBe(before + 10);
    for (const imported of [{ experiment_id: '0' }, { experiment_id: '0', start_time: 1_700_000_000_000 }])
      for (let i = 0; i < 2; i += 1) await mlflow('runs/create', imported);
    expect(await count('runs')).toBe(before + 14);
  });

  it('make a version each, and of a name one', async () => {
    const source = await versionSource();
    for (const version of ['1', '2', '3'])
      expect((await mlflow('model-versions/create', source)).body).toMatchObject({
        model_version: { version },
      });
    const name = randomUUID();
    const made = await Promise.all([1, 2, 3].map(() => mlflow('experiments/create', { name })));
    expect(made.map(({ status }) => status).toSorted()).toEqual([200, 400, 400]);
  });

  it('of two callers are two', async () => {
    const body = run();
    const mine = await mlflow('runs/create', body);
    const other = (await registry.caller('runs:write')).token;
    const theirs = await mlflow('runs/create', body, { authorization: `Bearer ${other}` });
    expect(theirs.body).not.toEqual(mine.body);
  });
});

describe('an Idempotency-Key', () => {
  it('makes one of any number of equal requests, also at once, and refuses another body', async () => {
    const key = `"${randomUUID()}"`;
    const body = { name: 'keyed' };
    const before = await count('runs');
    const start = () => call('/api/v1/runs', body, { 'idempotency-key': key });
    const answers = [...(await Promise.all([start(), start(), start()])), await start()];
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(new Set(answers.map((answer) => answer.body['id'])).size).toBe(1);
    expect(await count('runs')).toBe(before + 1);
    expect(await call('/api/v1/runs', { name: 'other' }, { 'idempotency-key': key })).toMatchObject({
      status: 422,
      body: { code: 'IDEMPOTENCY_KEY_REUSED' },
    });
    expect((await call('/api/v1/runs', body, { 'idempotency-key': 'a"b' })).status).toBe(400);
    expect((await call('/api/v1/runs', body, { 'idempotency-key': '' })).status).toBe(400);
  });

  it('uploads one version, makes one external one, grants once, and starts one MLflow run', async () => {
    const model = randomUUID();
    await call('/api/v1/models', { name: model });
    const key = { 'idempotency-key': randomUUID() };
    const upload = async () =>
      (await (
        await registry.send('POST', `/api/v1/models/${model}/versions`, {
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream', ...key },
          body: 'bytes',
        })
      ).json()) as Json;
    expect([(await upload())['version'], (await upload())['version']]).toEqual([1, 1]);
    const external = () => call(`/api/v1/models/${model}/versions/external`, { description: 'x' }, key);
    expect([(await external()).body['version'], (await external()).body['version']]).toEqual([2, 2]);
    const quota = await call('/api/v1/quotas', {
      name: randomUUID(),
      window: 'month',
      limit: 10,
      per_client: false,
    });
    const grant = () => call(`/api/v1/quotas/${String(quota.body['id'])}/grant`, { amount: 5 }, key);
    expect([(await grant()).status, (await grant()).status]).toEqual([200, 200]);
    expect(await count('audit_entries', `action = 'quota.grant'`)).toBe(1);
    const start = async () => (await mlflow('runs/create', { experiment_id: '0' }, key)).body;
    expect(await start()).toEqual(await start());
  });
});
