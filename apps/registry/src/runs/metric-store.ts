/**
 * Metric points in the database: one statement a batch, whatever its size. It takes the rows of series in the order of their keys, and
 * all of them before the first point, so writers that meet wait for one another instead of deadlocking.
 */
import type { MetricPoint } from '#contracts/runs';
import type { EntityManager } from 'typeorm';
import { summarize } from './metric-batch.js';

const greater = (table: string, other: string): string =>
  `(${table}.step, ${table}.timestamp_ms, ${table}.value) > (${other}.step, ${other}.timestamp_ms, ${other}.value)`;

/** Sets a column of the latest point, unless the point that is there is later. */
const later = (column: string): string =>
  `${column} = CASE WHEN ${greater('excluded', 's')} THEN excluded.${column} ELSE s.${column} END`;

/** Whether the excluded block's point goes beyond the one that is there; of equal values the earliest counts. */
const beyond = { low: beyondSql('low', '<'), high: beyondSql('high', '>') };
function beyondSql(end: 'low' | 'high', sign: '<' | '>'): string {
  const place = (table: string): string => `(${table}.${end}_step, ${table}.${end}_timestamp_ms)`;
  return `(excluded.${end}_value ${sign} b.${end}_value OR excluded.${end}_value = b.${end}_value AND ${place('excluded')} < ${place('b')})`;
}
const widen = (end: 'low' | 'high'): string =>
  ['value', 'step', 'timestamp_ms']
    .map((part) => `${end}_${part}`)
    .map((column) => `${column} = CASE WHEN ${beyond[end]} THEN excluded.${column} ELSE b.${column} END`)
    .join(', ');

/** Joins of `given(at, …)` with the series that the statement has just found or made. */
const bySeries = 'JOIN keys k ON k.at = given.at JOIN series s ON s.key = k.key';

const insertStatement = `
  WITH run AS (SELECT id FROM runs WHERE id = $1 AND deleted_at IS NULL),
  keys AS (
    SELECT * FROM unnest($2::text[], $3::int8[], $4::int8[], $5::float8[]) WITH ORDINALITY
      AS k(key, step, timestamp_ms, value, at)),
  series AS (
    INSERT INTO metric_series AS s (run_id, key, step, timestamp_ms, value)
    SELECT run.id, k.key, k.step, k.timestamp_ms, k.value FROM run, keys k ORDER BY k.at
    ON CONFLICT (run_id, key) DO UPDATE SET ${['step', 'timestamp_ms', 'value'].map(later).join(', ')}
    RETURNING s.id, s.key),
  points AS (
    INSERT INTO metric_points (series_id, step, timestamp_ms, value)
    SELECT s.id, given.step, given.timestamp_ms, given.value
    FROM unnest($6::int4[], $7::int8[], $8::int8[], $9::float8[]) AS given(at, step, timestamp_ms, value) ${bySeries}
    ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING),
  blocks AS (
    INSERT INTO metric_blocks AS b (series_id, block, is_nan, low_value, low_step, low_timestamp_ms,
      high_value, high_step, high_timestamp_ms)
    SELECT s.id, given.block, given.is_nan, given.low_value, given.low_step, given.low_timestamp_ms,
      given.high_value, given.high_step, given.high_timestamp_ms
    FROM unnest($10::int4[], $11::int8[], $12::bool[], $13::float8[], $14::int8[], $15::int8[],
      $16::float8[], $17::int8[], $18::int8[]) AS given(at, block, is_nan, low_value, low_step, low_timestamp_ms,
      high_value, high_step, high_timestamp_ms) ${bySeries}
    ORDER BY 1, 2, 3
    ON CONFLICT (series_id, block, is_nan) DO UPDATE SET ${widen('low')}, ${widen('high')}
    WHERE ${beyond.low} OR ${beyond.high})
  SELECT count(*)::int4 AS runs FROM run`;

/**
 * Adds the points, once each. Needs no transaction around it.
 * @returns false when there is no such run, or it is deleted
 */
export async function writeMetrics(
  manager: EntityManager,
  runId: string,
  metrics: readonly MetricPoint[],
): Promise<boolean> {
  const { keys, latest, points, blocks } = summarize(metrics);
  const [found] = await manager.query<{ runs: number }[]>(insertStatement, [
    runId,
    keys,
    ...columnsOf(latest),
    points.map(({ keyIndex }) => keyIndex + 1),
    ...columnsOf(points),
    blocks.map(({ keyIndex }) => keyIndex + 1),
    blocks.map(({ block }) => block),
    blocks.map(({ isNan }) => isNan),
    ...endColumns(blocks.map(({ low }) => low)),
    ...endColumns(blocks.map(({ high }) => high)),
  ]);
  return found?.runs === 1;
}

interface Placed {
  readonly step: number;
  readonly timestampMs: number;
  readonly value: number;
}
const steps = (points: readonly Placed[]): number[] => points.map(({ step }) => step);
const times = (points: readonly Placed[]): number[] => points.map(({ timestampMs }) => timestampMs);
/** As text, which PostgreSQL reads back to the same bits, NaN and the infinities included. */
const values = (points: readonly Placed[]): string[] => points.map(({ value }) => String(value));

const columnsOf = (points: readonly Placed[]) => [steps(points), times(points), values(points)];
const endColumns = (points: readonly Placed[]) => [values(points), steps(points), times(points)];
