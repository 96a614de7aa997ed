/** The training log read back in ways that its layout is made for: charts of long histories, and searches over many runs. */
import type { SluiceClient } from '#client/client';
import type { MetricPoint } from '#contracts/runs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
let client: SluiceClient;
let token: string;

beforeAll(async () => {
  registry = await startRegistry();
  ({ client, token } = await registry.caller('runs:write'));
});
afterAll(() => registry.close());

type Json = Record<string, unknown>;
async function mlflow(path: string, body: object): Promise<{ status: number; body: Json }> {
  const answer = await registry.send('POST', `/api/2.0/mlflow/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Json };
}

async function logged(metrics: readonly MetricPoint[], batchSize: number): Promise<string> {
  const { id } = await client.runs.create({ body: {} });
  for (let at = 0; at < metrics.length; at += batchSize)
    await client.runs.log({
      params: { run_id: id },
      body: { metrics: metrics.slice(at, at + batchSize) },
    });
  return id;
}

describe('a chart of a metric', () => {
  const point = (step: number, value: MetricPoint['value']): MetricPoint => ({
    key: 'loss',
    step,
    value,
    timestamp_ms: step < 0 ? 0 : step,
  });

  it('is the whole history when that is short', async () => {
    const metrics = [0, 0.5, 'NaN', 'Infinity', '-Infinity'].map((value, step) =>
      point(step, value as MetricPoint['value']),
    );
    const params = { run_id: await logged(metrics, 5) };
    expect(await client.runs.metricSample({ params, query: { key: 'loss' } })).toEqual({
      points: metrics,
      is_sampled: false,
    });
    expect(await client.runs.metricSample({ params, query: { key: 'none' } })).toEqual({
      points: [],
      is_sampled: false,
    });
  });

  it('keeps every peak of a long one, also one that came late, twice or as NaN', async () => {
    const metrics = Array.from({ length: 20_000 }, (_, step) => point(step - 500, Math.sin(step / 100)));
    const params = { run_id: await logged(metrics, 5_000) };
    const late = [point(7_000, 50), point(7_001, -50), point(9_000, 'NaN'), point(-500, 'Infinity')];
    for (const metric of [...late, ...late]) await client.runs.log({ params, body: { metrics: [metric] } });
    const { points, is_sampled } = await client.runs.metricSample({
      params,
      query: { key: 'loss', max_points: 300 },
    });
    expect(is_sampled).toBe(true);
    expect(points.length).toBeLessThanOrEqual(300);
    for (const metric of late) expect(points).toContainEqual(metric);
    expect(points.map(({ step }) => step)).toEqual(points.map(({ step }) => step).toSorted((a, b) => a - b));
    const near = await client.runs.metricSample({
      params,
      query: { key: 'loss', max_points: 300, start_step: 6_900, end_step: 7_100 },
    });
    expect(near.is_sampled).toBe(false);
    expect(near.points).toHaveLength(203);
  });

  it('has the lowest and highest of each part, whatever the batches were', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ step: fc.integer({ min: -2_000, max: 2_000 }), value: fc.double({ noNaN: true }) }),
          {
            minLength: 100,
            maxLength: 300,
          },
        ),
        fc.integer({ min: 1, max: 300 }),
        async (drawn, batchSize) => {
          const metrics = drawn.map(({ step, value }) => point(step, Number.isFinite(value) ? value : 0));
          const params = { run_id: await logged(metrics, Math.max(batchSize, 20)) };
          const { points } = await client.runs.metricSample({
            params,
            query: { key: 'loss', max_points: 30 },
          });
          const all = metrics.map(({ value }) => Number(value));
          const shown = points.map(({ value }) => Number(value));
          expect(shown).toContain(Math.min(...all) + 0);
          expect(shown).toContain(Math.max(...all) + 0);
          for (const one of points)
            expect(metrics.some(({ step, value }) => step === one.step && value === one.value)).toBe(true);
        },
      ),
      { numRuns: 10 },
    );
  });
});

describe("MLflow's search of runs", () => {
  const runs: { id: string; loss?: number; lr: string; status: string }[] = [];

  beforeAll(async () => {
    await client.experiments.create({ body: { name: 'searched' } });
    for (let i = 0; i < 40; i += 1) {
      const lr = String(i % 4);
      const run = await client.runs.create({ body: { experiment: 'searched', params: { lr } } });
      // Some have the same value, one in five has none, and one in seven NaN.
      const loss = i % 5 === 0 ? undefined : i % 7 === 0 ? Number.NaN : i % 10;
      if (loss !== undefined)
        await client.runs.log({
          params: { run_id: run.id },
          body: {
            metrics: [{ key: 'loss', value: Number.isNaN(loss) ? 'NaN' : loss, step: 1, timestamp_ms: 1 }],
          },
        });
      if (i % 3 === 0) await client.runs.finish({ params: { run_id: run.id }, body: {} });
      runs.push({
        id: run.id.replaceAll('-', ''),
        lr,
        status: i % 3 === 0 ? 'FINISHED' : 'RUNNING',
        ...(loss === undefined ? {} : { loss }),
      });
    }
  });

  async function found(filter: string, order_by: string[], max_results: number): Promise<string[]> {
    const experiment = await registry.send(
      'GET',
      '/api/2.0/mlflow/experiments/get-by-name?experiment_name=searched',
      { headers: { authorization: `Bearer ${token}` } },
    );
    const { experiment_id } = ((await experiment.json()) as { experiment: { experiment_id: string } })
      .experiment;
    const ids: string[] = [];
    let page_token = '';
    do {
      const { status, body } = await mlflow('runs/search', {
        experiment_ids: [experiment_id],
        filter,
        order_by,
        max_results,
        page_token,
      });
      expect([status, body]).toEqual([200, body]);
      const page = body as { runs: { info: { run_id: string } }[]; next_page_token?: string };
      ids.push(...page.runs.map(({ info }) => info.run_id));
      page_token = page.next_page_token ?? '';
    } while (page_token !== '');
    return ids;
  }

  const rank = (loss: number | undefined): number => (loss === undefined ? 2 : Number.isNaN(loss) ? 1 : 0);
  /** MLflow's order: numbers first, then NaN, then runs without the metric; the newest of equals first. */
  const byLoss = (sign: number) =>
    runs
      .map((run, at) => ({ ...run, at }))
      .toSorted(
        (a, b) =>
          rank(a.loss) - rank(b.loss) ||
          (rank(a.loss) === 0 ? sign * ((a.loss ?? 0) - (b.loss ?? 0)) : 0) ||
          b.at - a.at,
      );

  it.each([1, 3, 7, 100])('sorts by a metric both ways in pages of %i', async (size) => {
    expect(await found('', ['metrics.loss ASC'], size)).toEqual(byLoss(1).map(({ id }) => id));
    expect(await found('', ['metrics.loss DESC'], size)).toEqual(byLoss(-1).map(({ id }) => id));
  });

  it('filters by metric, param and attribute, and sorts by several columns', async () => {
    const kept = byLoss(1).filter(({ loss, lr }) => loss !== undefined && loss > 2 && lr !== '3');
    expect(await found("metrics.loss > 2 AND params.lr != '3'", ['metrics.loss'], 4)).toEqual(
      kept.map(({ id }) => id),
    );
    const finished = byLoss(1).filter(({ status, lr }) => status === 'FINISHED' && lr === '1');
    expect(await found("attributes.status = 'FINISHED' AND params.lr = '1'", ['metrics.loss'], 2)).toEqual(
      finished.map(({ id }) => id),
    );
    const sorted = runs
      .map((run, at) => ({ ...run, at }))
      .toSorted((a, b) => Number(b.lr) - Number(a.lr) || a.at - b.at)
      .map(({ id }) => id);
    expect(await found('', ['params.lr DESC', 'attributes.start_time ASC'], 6)).toEqual(sorted);
    expect(await found('metrics.loss IS NULL', [], 3)).toEqual(
      runs
        .toReversed()
        .filter(({ loss }) => loss === undefined)
        .map(({ id }) => id),
    );
  });

  it('refuses page tokens of other searches', async () => {
    const token = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const page_token of [
      'x',
      token(['9', null]),
      token(['0', "x'; DROP TABLE runs"]),
      token(['0', '1', '2']),
    ])
      expect((await mlflow('runs/search', { experiment_ids: ['0'], page_token })).body['error_code']).toBe(
        'INVALID_PARAMETER_VALUE',
      );
  });
});
