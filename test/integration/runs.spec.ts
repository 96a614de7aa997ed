import { SluiceClientError } from '#client/client';
import type { SluiceClient } from '#client/client';
import type { MetricPoint } from '#contracts/runs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
let client: SluiceClient;

beforeAll(async () => {
  registry = await startRegistry();
  client = (await registry.caller('runs:write')).client;
});
afterAll(() => registry.close());

const point = (
  key: string,
  step: number,
  value: MetricPoint['value'],
  timestamp_ms = 1_000,
): MetricPoint => ({
  key,
  step,
  value,
  timestamp_ms,
});
const codeOf = (error: unknown): unknown => (error instanceof SluiceClientError ? error.code : error);

async function startRun(): Promise<string> {
  return (await client.runs.create({ body: {} })).id;
}
async function history(runId: string, key: string, pageSize = 1_000): Promise<MetricPoint[]> {
  const points: MetricPoint[] = [];
  let token: string | undefined;
  do {
    const page = await client.runs.metricHistory({
      params: { run_id: runId },
      query: { key, page_size: pageSize, ...(token === undefined ? {} : { page_token: token }) },
    });
    points.push(...page.items);
    token = page.next_page_token;
  } while (token !== undefined);
  return points;
}

describe('runs', () => {
  it('logs a whole training run and reads it back', async () => {
    await client.experiments.create({ body: { name: 'iris', tags: { team: 'ml' } } });
    const run = await client.runs.create({
      body: { experiment: 'iris', name: 'first', params: { lr: '0.1' }, tags: { user: 'ada' } },
    });
    const params = { run_id: run.id };
    await client.runs.log({
      params,
      body: {
        metrics: [point('loss', 1, 0.5), point('loss', 2, 0.25)],
        params: { epochs: '3' },
        tags: { user: 'bob' },
      },
    });
    const finished = await client.runs.finish({ params, body: {} });
    expect(finished).toMatchObject({
      experiment: 'iris',
      name: 'first',
      status: 'FINISHED',
      params: { lr: '0.1', epochs: '3' },
      tags: { user: 'bob' },
      metrics: { loss: point('loss', 2, 0.25) },
    });
    expect(finished.ended_at).not.toBeNull();
    expect(await client.runs.read({ params })).toEqual(finished);
    expect(await client.runs.finish({ params, body: {} })).toEqual(finished);
    await expect(client.runs.finish({ params, body: { status: 'KILLED' } }).catch(codeOf)).resolves.toBe(
      'RUN_FINISHED',
    );
    await expect(client.runs.log({ params, body: {} }).catch(codeOf)).resolves.toBe('RUN_FINISHED');
  });

  it('uses the experiment Default and makes up a name', async () => {
    const run = await client.runs.create({ body: {} });
    expect(run).toMatchObject({ experiment: 'Default', status: 'RUNNING', metrics: {}, params: {} });
    expect(run.name).toMatch(/^[a-z]+-[a-z]+-\d{3}$/);
  });

  it('keeps NaN, the infinities and every bit of a number', async () => {
    const runId = await startRun();
    const values = [
      'NaN',
      'Infinity',
      '-Infinity',
      5e-324,
      1.7976931348623157e308,
      0.1 + 0.2,
      -1e-7,
    ] as const;
    const metrics = values.map((value, step) => point('m', step, value));
    await client.runs.log({ params: { run_id: runId }, body: { metrics } });
    expect(await history(runId, 'm')).toEqual(metrics);
    for (const value of values) {
      await client.runs.log({
        params: { run_id: runId },
        body: { metrics: [point(`only ${value}`, 0, value)] },
      });
    }
    const { metrics: latest } = await client.runs.read({ params: { run_id: runId } });
    for (const value of values) expect(latest[`only ${value}`]?.value).toBe(value);
  });

  it('takes points out of order and twice; the latest is the highest step, then time, then value', async () => {
    const runId = await startRun();
    const params = { run_id: runId };
    const sent = [
      point('m', 3, 3),
      point('m', 1, 9),
      point('m', 3, 7, 900),
      point('m', 3, 2),
      point('m', -2, 1),
    ];
    for (const metric of sent) await client.runs.log({ params, body: { metrics: [metric] } });
    await client.runs.log({ params, body: { metrics: sent } });
    const sorted = [
      point('m', -2, 1),
      point('m', 1, 9),
      point('m', 3, 7, 900),
      point('m', 3, 2),
      point('m', 3, 3),
    ];
    expect(await history(runId, 'm')).toEqual(sorted);
    expect(await history(runId, 'm', 1)).toEqual(sorted);
    expect((await client.runs.read({ params })).metrics['m']).toEqual(point('m', 3, 3));
  });

  it('lets eight writers log overlapping batches in any order without losing a point', async () => {
    const runId = await startRun();
    const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
    const writer = async (seed: number): Promise<void> => {
      for (let round = 0; round < 12; round += 1) {
        // Half of the points are this writer's own, half are everyone's; each writer goes through them another way.
        const metrics = keys.flatMap((key) => [point(key, round, seed), point(key, round, -1)]);
        const start = (seed * 7 + round) % metrics.length;
        const turned = [...metrics.slice(start), ...metrics.slice(0, start)];
        const tags = Object.fromEntries(turned.slice(0, 5).map((metric) => [metric.key, String(seed)]));
        await client.runs.log({
          params: { run_id: runId },
          body: { metrics: seed % 2 === 0 ? turned : turned.reverse(), params: { shared: 'same' }, tags },
        });
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, seed) => writer(seed)));
    for (const key of keys) expect(await history(runId, key)).toHaveLength(12 * 9);
    const { metrics } = await client.runs.read({ params: { run_id: runId } });
    for (const key of keys) expect(metrics[key]).toEqual(point(key, 11, 7));
  });

  it('refuses another value for a param, and logs nothing of that batch', async () => {
    const runId = await startRun();
    const params = { run_id: runId };
    await client.runs.log({ params, body: { params: { lr: '0.1' } } });
    await client.runs.log({ params, body: { params: { lr: '0.1', depth: '2' } } });
    const refused = client.runs.log({
      params,
      body: { params: { lr: '0.2', width: '9' }, metrics: [point('loss', 1, 1)], tags: { a: 'b' } },
    });
    await expect(refused.catch(codeOf)).resolves.toBe('PARAM_CONFLICT');
    const run = await client.runs.read({ params });
    expect(run).toMatchObject({ params: { lr: '0.1', depth: '2' }, metrics: {}, tags: {} });
  });

  it('lets exactly one of two writers set a param when both come at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const params = { run_id: await startRun() };
      const results = await Promise.all(
        ['a', 'b'].map((value) =>
          client.runs.log({ params, body: { params: { p: value } } }).then(
            () => value,
            (error: unknown) => codeOf(error),
          ),
        ),
      );
      const { params: written } = await client.runs.read({ params });
      expect(results.sort()).toEqual(['PARAM_CONFLICT', written['p']].sort());
    }
  });

  it('pages through runs, newest first, by experiment and status', async () => {
    await client.experiments.create({ body: { name: 'paged' } });
    const ids: string[] = [];
    for (let i = 0; i < 5; i += 1) ids.push((await client.runs.create({ body: { experiment: 'paged' } })).id);
    await client.runs.finish({ params: { run_id: ids[2] ?? '' }, body: { status: 'FAILED' } });
    const seen: string[] = [];
    let token: string | undefined;
    do {
      const query = {
        experiment: 'paged',
        page_size: 2,
        ...(token === undefined ? {} : { page_token: token }),
      };
      const page = await client.runs.list({ query });
      seen.push(...page.items.map((run) => run.id));
      token = page.next_page_token;
    } while (token !== undefined);
    expect(seen).toEqual([...ids].reverse());
    const failed = await client.runs.list({ query: { experiment: 'paged', status: 'FAILED' } });
    expect(failed.items.map((run) => run.id)).toEqual([ids[2]]);
  });

  it('answers by name what does not exist', async () => {
    const params = { run_id: '01980000-0000-7000-8000-000000000000' };
    expect(await client.runs.read({ params }).catch(codeOf)).toBe('RUN_NOT_FOUND');
    expect(await client.runs.log({ params, body: {} }).catch(codeOf)).toBe('RUN_NOT_FOUND');
    expect(await client.runs.metricHistory({ params, query: { key: 'm' } }).catch(codeOf)).toBe(
      'RUN_NOT_FOUND',
    );
    expect(await client.runs.create({ body: { experiment: 'none' } }).catch(codeOf)).toBe(
      'EXPERIMENT_NOT_FOUND',
    );
    expect(await client.runs.list({ query: { experiment: 'none' } }).catch(codeOf)).toBe(
      'EXPERIMENT_NOT_FOUND',
    );
    await client.experiments.create({ body: { name: 'twice' } });
    expect(await client.experiments.create({ body: { name: 'twice' } }).catch(codeOf)).toBe('ALREADY_EXISTS');
  });
});
