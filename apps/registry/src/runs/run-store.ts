/**
 * The statements of the training log, one per kind of row whatever the size of the batch.
 * Every INSERT goes through its rows in the order of their keys: writers that meet on the same rows then wait for one
 * another instead of deadlocking.
 */
import { parentRunTag } from '#contracts/runs';
import type { LogBatch } from '#contracts/runs';
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';
import { writeMetrics } from './metric-store.js';
import type { MetricRow, RunRow } from './runs.mapper.js';

type Texts = Readonly<Record<string, string>>;

/** Everything of a batch, in the same order of tables for every writer. */
export async function writeBatch(manager: EntityManager, runId: string, batch: LogBatch): Promise<void> {
  await writeParams(manager, runId, batch.params);
  await writeTags(manager, runId, batch.tags);
  if (batch.metrics.length > 0) await writeMetrics(manager, runId, batch.metrics);
}

/** A param is written once. @throws SluiceError PARAM_CONFLICT when it has another value already */
async function writeParams(manager: EntityManager, runId: string, params: Texts): Promise<void> {
  if (Object.keys(params).length === 0) return;
  const values = [runId, Object.keys(params), Object.values(params)];
  await manager.query(
    `INSERT INTO run_params (run_id, key, value)
     SELECT $1::uuid, key, value FROM unnest($2::text[], $3::text[]) AS p(key, value) ORDER BY key
     ON CONFLICT DO NOTHING`,
    values,
  );
  const conflicts = await manager.query<{ key: string; value: string }[]>(
    `SELECT p.key, p.value FROM run_params p
     JOIN unnest($2::text[], $3::text[]) AS given(key, value) ON given.key = p.key AND given.value <> p.value
     WHERE p.run_id = $1 ORDER BY p.key LIMIT 1`,
    values,
  );
  const [conflict] = conflicts;
  if (conflict === undefined) return;
  const known = conflict.value.slice(0, 100);
  throw new SluiceError(
    'PARAM_CONFLICT',
    `The param "${conflict.key}" is "${known}" already. A param never changes; nothing of this batch was logged.`,
  );
}

async function writeTags(manager: EntityManager, runId: string, tags: Texts): Promise<void> {
  if (Object.keys(tags).length === 0) return;
  await manager.query(
    `INSERT INTO run_tags (run_id, key, value)
     SELECT $1::uuid, key, value FROM unnest($2::text[], $3::text[]) AS t(key, value) ORDER BY key
     ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value`,
    [runId, Object.keys(tags), Object.values(tags)],
  );
}

/** Runs `r`, as {@link RunRow}. */
const selectRuns = (source: string, order: string): string =>
  `SELECT r.id, e.name AS experiment, r.name, r.status, r.started_at, r.ended_at, r.created_by,
          p.params, t.tags, m.metrics
   FROM ${source} JOIN experiments e ON e.id = r.experiment_id
   LEFT JOIN LATERAL (SELECT json_object_agg(key, value) AS params FROM run_params WHERE run_id = r.id) p ON true
   LEFT JOIN LATERAL (SELECT json_object_agg(key, value) AS tags FROM run_tags WHERE run_id = r.id) t ON true
   LEFT JOIN LATERAL (
     SELECT json_agg(json_build_object('key', key, 'value', value, 'step', step, 'timestamp_ms', timestamp_ms)
                     ORDER BY key) AS metrics
     FROM metric_series WHERE run_id = r.id) m ON true
   ORDER BY ${order}`;

export interface RunFilter {
  readonly experimentId?: string | undefined;
  readonly status?: string | undefined;
  readonly parentId?: string | undefined;
  /** Only runs before this one. */
  readonly beforeId?: string | undefined;
  readonly limit: number;
}

/** Runs with params, tags and latest metrics, newest first (UUIDv7 ids are in the order of time). */
export function readRuns(manager: EntityManager, filter: RunFilter): Promise<RunRow[]> {
  const source = `(
    SELECT * FROM runs
    WHERE ($1::uuid IS NULL OR experiment_id = $1) AND ($2::text IS NULL OR status = $2) AND ($3::uuid IS NULL OR id < $3)
      AND ($4::text IS NULL OR id IN (SELECT run_id FROM run_tags
        WHERE key = '${parentRunTag}' AND left(value, 64) = left($4, 64) AND value = $4))
      AND deleted_at IS NULL
    ORDER BY id DESC LIMIT $5) r`;
  return manager.query<RunRow[]>(selectRuns(source, 'r.id DESC'), [
    filter.experimentId ?? null,
    filter.status ?? null,
    filter.beforeId ?? null,
    filter.parentId?.replaceAll('-', '') ?? null,
    filter.limit,
  ]);
}

/** The runs of these ids that are there, in their order; deleted ones too. */
export const readRunsOf = (manager: EntityManager, ids: readonly string[]): Promise<RunRow[]> =>
  manager.query<RunRow[]>(
    selectRuns(
      'unnest($1::uuid[]) WITH ORDINALITY AS wanted(id, place) JOIN runs r ON r.id = wanted.id',
      'wanted.place',
    ),
    [ids],
  );

/** Metrics by key, each with its latest point. */
export const readSeries = (
  manager: EntityManager,
  filter: {
    readonly runId: string;
    readonly prefix: string;
    readonly afterKey: string | null;
    readonly limit: number;
  },
): Promise<MetricRow[]> =>
  manager.query<MetricRow[]>(
    `SELECT key, step::float8, timestamp_ms::float8, value FROM metric_series
     WHERE run_id = $1 AND starts_with(key, $2) AND ($3::text IS NULL OR key > $3) ORDER BY key LIMIT $4`,
    [filter.runId, filter.prefix, filter.afterKey, filter.limit],
  );
