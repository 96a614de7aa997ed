/**
 * Sluice alone with a hundred million points in its training log. The points are put in place by the database, as a million small batches
 * would have left them; what is measured then goes through the registry.
 */
import { Client } from 'pg';
import { stepsPerBlock } from '../../../apps/registry/src/runs/metric-batch.js';
import { latencies } from '../quantiles.js';
import { logBatch, searchLoad } from './beside-mlflow.js';
import type { Times } from './beside-mlflow.js';
import { call } from './contender.js';
import type { Contender } from './contender.js';

const metricsPerRun = 10;
const pointsPerMetric = 10_000;
const longPoints = 1_000_000;
/** A loss that falls: in every block of steps the first point is the highest and the last one the lowest. */
const valueAt = (step: string): string => `10 / (1 + (${step})::float8 / 1000)`;
const firstMs = 1_700_000_000_000;

export interface Filled {
  readonly experiment: string;
  readonly longRun: string;
  readonly runs: number;
  readonly tookS: number;
  readonly sizes: Readonly<Record<string, string>>;
}

/** @param total points; the first million is one metric, the others are of runs with ten metrics of 10,000 points each */
export async function fillLog(databaseUrl: string, total: number): Promise<Filled> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const fromMs = performance.now();
  try {
    await client.query(`SET synchronous_commit = off; SET maintenance_work_mem = '1GB'`);
    const runs = Math.ceil((total - longPoints) / (metricsPerRun * pointsPerMetric));
    const experiment = await insertRuns(client, runs);
    // Sorted already, so that the index is the same as if it had grown with them, and there sooner.
    await client.query('ALTER TABLE metric_points DROP CONSTRAINT metric_points_pkey');
    const longRun = await insertLongRun(client, experiment);
    await insertPoints(client, `key <> 'long'`, pointsPerMetric);
    await client.query(
      'ALTER TABLE metric_points ADD CONSTRAINT metric_points_pkey PRIMARY KEY (series_id, step, timestamp_ms, value)',
    );
    await client.query('VACUUM ANALYZE metric_series, metric_points, metric_blocks, runs');
    await client.query('CHECKPOINT');
    const tookS = (performance.now() - fromMs) / 1_000;
    return {
      experiment: hex(experiment),
      longRun,
      runs,
      tookS,
      sizes: await readSizes(client),
    };
  } finally {
    await client.end();
  }
}

const hex = (uuid: string): string => uuid.replaceAll('-', '');

async function insertRuns(client: Client, runs: number): Promise<string> {
  const made = await client.query<{ id: string }>(
    `INSERT INTO experiments (id, name, created_at) VALUES (gen_random_uuid(), 'of many points', now()) RETURNING id`,
  );
  const experiment = made.rows[0]?.id ?? '';
  await client.query(
    `INSERT INTO runs (id, experiment_id, name, status, started_at, ended_at, created_by)
     SELECT gen_random_uuid(), $1, 'run-' || i, 'FINISHED', now() - i * interval '1 second', now(), 'client:bench'
     FROM generate_series(1, $2::int4) i`,
    [experiment, runs],
  );
  await client.query(
    `INSERT INTO metric_series (run_id, key, step, timestamp_ms, value)
     SELECT r.id, 'metric-' || m, $2::int4 - 1, $3::int8, random() FROM runs r, generate_series(0, $4::int4 - 1) m
     WHERE r.experiment_id = $1`,
    [experiment, pointsPerMetric, firstMs + pointsPerMetric - 1, metricsPerRun],
  );
  return experiment;
}

async function insertLongRun(client: Client, experiment: string): Promise<string> {
  const made = await client.query<{ id: string }>(
    `INSERT INTO runs (id, experiment_id, name, status, started_at, created_by)
     VALUES (gen_random_uuid(), $1, 'long', 'RUNNING', now(), 'client:bench') RETURNING id`,
    [experiment],
  );
  const id = made.rows[0]?.id ?? '';
  await client.query(
    `INSERT INTO metric_series (run_id, key, step, timestamp_ms, value) VALUES ($1, 'long', $2, $3, 0)`,
    [id, longPoints - 1, firstMs + longPoints - 1],
  );
  await insertPoints(client, `key = 'long'`, longPoints);
  return id;
}

/** The points of these series, and the extremes of their blocks. */
async function insertPoints(client: Client, series: string, count: number): Promise<void> {
  await client.query(
    `INSERT INTO metric_points (series_id, step, timestamp_ms, value)
     SELECT s.id, g, ${firstMs} + g, ${valueAt('g')} FROM (SELECT id FROM metric_series WHERE ${series} ORDER BY id) s,
       LATERAL generate_series(0, ${count} - 1) g`,
  );
  const last = `least(b * ${stepsPerBlock} + ${stepsPerBlock - 1}, ${count} - 1)`;
  const first = `b * ${stepsPerBlock}`;
  await client.query(
    `INSERT INTO metric_blocks (series_id, block, is_nan, low_value, low_step, low_timestamp_ms, high_value, high_step, high_timestamp_ms)
     SELECT s.id, b, false, ${valueAt(last)}, ${last}, ${firstMs} + ${last}, ${valueAt(first)}, ${first}, ${firstMs} + ${first}
     FROM (SELECT id FROM metric_series WHERE ${series} ORDER BY id) s,
       LATERAL generate_series(0, (${count} - 1) / ${stepsPerBlock}) b`,
  );
}

async function readSizes(client: Client): Promise<Record<string, string>> {
  const { rows } = await client.query<{ name: string; size: string }>(
    `SELECT 'points' AS name, pg_size_pretty(pg_table_size('metric_points')) AS size
     UNION ALL SELECT 'index of points', pg_size_pretty(pg_indexes_size('metric_points'))
     UNION ALL SELECT 'blocks', pg_size_pretty(pg_total_relation_size('metric_blocks'))
     UNION ALL SELECT 'database', pg_size_pretty(pg_database_size(current_database()))`,
  );
  return Object.fromEntries(rows.map(({ name, size }) => [name, size]));
}

async function timed(reads: number, read: (i: number) => Promise<unknown>) {
  const tookMs: number[] = [];
  for (let i = 0; i < reads; i += 1) {
    const fromMs = performance.now();
    await read(i);
    tookMs.push(performance.now() - fromMs);
  }
  return latencies(tookMs);
}

/** What is asked of a log that is so full. */
export async function measureHuge(sluice: Contender, filled: Filled, times: Times) {
  const api = '/api/2.0/mlflow';
  const found = (await call(sluice, 'POST', `${api}/runs/search`, {
    experiment_ids: [filled.experiment],
    max_results: 200,
  })) as { runs: { info: { run_id: string } }[] };
  const runAt = (i: number): string => found.runs[i % found.runs.length]?.info.run_id ?? '';
  return {
    pointsPerSecond: await logBatch(sluice, { keys: 10, stepsPerBatch: 100 }, times),
    chart: await timed(50, () =>
      call(sluice, 'GET', `/api/v1/runs/${filled.longRun}/metrics/sample?key=long&max_points=2000`),
    ),
    history: await timed(50, (i) =>
      call(
        sluice,
        'GET',
        `${api}/metrics/get-history?run_id=${runAt(i)}&metric_key=metric-3&max_results=1000`,
      ),
    ),
    latest: await timed(200, (i) => call(sluice, 'GET', `${api}/runs/get?run_id=${runAt(i)}`)),
    search: await searchLoad(
      sluice,
      {
        experiment_ids: [filled.experiment],
        max_results: 100,
        filter: 'metrics.`metric-1` > 0.9',
        order_by: ['metrics.`metric-2` ASC'],
      },
      4,
      times,
    ),
  };
}
