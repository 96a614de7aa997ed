/** Sluice alone, with much in it: a metric of a million points, a search over 100,000 runs. */
import { Client } from 'pg';
import { z } from 'zod';
import { latencies } from '../quantiles.js';
import { searchLoad } from './beside-mlflow.js';
import type { Times } from './beside-mlflow.js';
import { call } from './contender.js';
import type { Contender } from './contender.js';

const pointsPerBatch = 10_000;

/** Milliseconds that each of `reads` charts of a metric of `points` points took. */
export async function longHistory(
  sluice: Contender,
  points: number,
  reads: number,
): Promise<{ p50Ms: number; p95Ms: number; shown: number }> {
  const { id } = z.object({ id: z.string() }).parse(await call(sluice, 'POST', '/api/v1/runs', {}));
  for (let first = 0; first < points; first += pointsPerBatch) {
    const metrics = Array.from({ length: pointsPerBatch }, (_, i) => ({
      key: 'loss',
      step: first + i,
      timestamp_ms: first + i,
      value: Math.sin((first + i) / 5_000) + ((first + i) % 1_009) / 1_009,
    }));
    await call(sluice, 'POST', `/api/v1/runs/${id}/log`, { metrics });
  }
  const tookMs: number[] = [];
  let shown = 0;
  for (let i = 0; i < reads; i += 1) {
    const fromMs = performance.now();
    const sample = await call(sluice, 'GET', `/api/v1/runs/${id}/metrics/sample?key=loss&max_points=2000`);
    tookMs.push(performance.now() - fromMs);
    shown = z.object({ points: z.array(z.unknown()), is_sampled: z.literal(true) }).parse(sample)
      .points.length;
  }
  return { ...latencies(tookMs), shown };
}

/** Runs of one experiment with three metrics, three params and a tag each, put in place by the database. */
export async function seedManyRuns(databaseUrl: string, count: number): Promise<string> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const made = await client.query<{ id: string }>(
      `INSERT INTO experiments (id, name, created_at) VALUES (gen_random_uuid(), 'of many runs', now()) RETURNING id`,
    );
    const experiment = made.rows[0]?.id ?? '';
    await client.query(
      `INSERT INTO runs (id, experiment_id, name, status, started_at, ended_at, created_by)
       SELECT gen_random_uuid(), $1, 'run-' || i, 'FINISHED', now() - i * interval '1 second', now(), 'client:bench'
       FROM generate_series(1, $2::int4) i`,
      [experiment, count],
    );
    const ofRuns = 'FROM runs r WHERE r.experiment_id = $1';
    for (const key of ['loss', 'accuracy', 'f1'])
      await client.query(
        `INSERT INTO metric_series (run_id, key, step, timestamp_ms, value) SELECT r.id, $2, 100, 1700000000000, random() ${ofRuns}`,
        [experiment, key],
      );
    for (const key of ['lr', 'layers', 'seed'])
      await client.query(
        `INSERT INTO run_params (run_id, key, value) SELECT r.id, $2, (random() * 100)::int4::text ${ofRuns}`,
        [experiment, key],
      );
    await client.query(`INSERT INTO run_tags (run_id, key, value) SELECT r.id, 'team', 'ml' ${ofRuns}`, [
      experiment,
    ]);
    await client.query('VACUUM ANALYZE');
    return experiment.replaceAll('-', '');
  } finally {
    await client.end();
  }
}

/** Searches over many runs, by name. */
export async function manyRuns(
  sluice: Contender,
  experiment: string,
  times: Times,
): Promise<Record<string, Awaited<ReturnType<typeof searchLoad>>>> {
  const searches = {
    'metric filter, order by another metric': {
      filter: 'metrics.accuracy > 0.9',
      order_by: ['metrics.loss ASC'],
    },
    'metric filter, order by it': { filter: 'metrics.loss < 0.5', order_by: ['metrics.loss DESC'] },
    'metric and param filter, newest first': {
      filter: "metrics.f1 > 0.5 AND params.lr = '42'",
      order_by: [],
    },
  };
  const results: Record<string, Awaited<ReturnType<typeof searchLoad>>> = {};
  for (const [name, search] of Object.entries(searches))
    results[name] = await searchLoad(
      sluice,
      { experiment_ids: [experiment], max_results: 100, ...search },
      4,
      times,
    );
  return results;
}
