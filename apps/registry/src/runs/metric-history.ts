/** Reading the points of a metric: all of them page by page, or so many that a chart can show. */
import type { EntityManager } from 'typeorm';
import { stepsPerBlock } from './metric-batch.js';
import type { MetricRow } from './runs.mapper.js';

export interface HistoryFilter {
  readonly runId: string;
  readonly key: string;
  /** Step, time and value of the last point of the page before. */
  readonly after: readonly [step: number, timestampMs: number, value: string] | undefined;
  readonly limit: number;
}

const seriesOf = 'SELECT id FROM metric_series WHERE run_id = $1 AND key = $2';

/** In the order of step, time and value: the order of the primary key. */
export function readHistory(manager: EntityManager, filter: HistoryFilter): Promise<MetricRow[]> {
  return manager.query<MetricRow[]>(
    `SELECT $2::text AS key, p.step::float8, p.timestamp_ms::float8, p.value FROM metric_points p
     WHERE p.series_id = (${seriesOf})
       AND ($3::int8 IS NULL OR (p.step, p.timestamp_ms, p.value) > ($3, $4::int8, $5::float8))
     ORDER BY p.step, p.timestamp_ms, p.value LIMIT $6`,
    [filter.runId, filter.key, ...(filter.after ?? [null, null, null]), filter.limit],
  );
}

export interface SampleFilter {
  readonly runId: string;
  readonly key: string;
  readonly startStep: number | undefined;
  readonly endStep: number | undefined;
  readonly maxPoints: number;
}

export interface Sample {
  readonly points: MetricRow[];
  /** Whether points were left out. */
  readonly isSampled: boolean;
}

interface Range {
  readonly id: string;
  readonly first: number;
  readonly last: number;
}

/** All points of the range if they are few, else the lowest and the highest of each of equal parts of it. */
export async function readSample(manager: EntityManager, filter: SampleFilter): Promise<Sample> {
  const [range] = await manager.query<Range[]>(
    `SELECT s.id, greatest($3::float8, (SELECT p.step FROM metric_points p WHERE p.series_id = s.id ORDER BY p.step LIMIT 1)) AS first,
       least($4::float8, s.step) AS last
     FROM metric_series s WHERE s.run_id = $1 AND s.key = $2`,
    [filter.runId, filter.key, filter.startStep ?? null, filter.endStep ?? null],
  );
  if (range === undefined || range.first > range.last) return { points: [], isSampled: false };
  // By the whole key, so that it is read in the order of the index even where no statistics are yet.
  const points = await manager.query<MetricRow[]>(
    `SELECT $1::text AS key, step::float8, timestamp_ms::float8, value FROM metric_points
     WHERE (series_id, metric_points.step) >= ($2, $3::int8) AND (series_id, metric_points.step) <= ($2, $4::int8)
     ORDER BY series_id, metric_points.step, metric_points.timestamp_ms, value LIMIT $5`,
    [filter.key, range.id, range.first, range.last, filter.maxPoints + 1],
  );
  if (points.length <= filter.maxPoints) return { points, isSampled: false };
  return { points: await readExtremes(manager, filter, range), isSampled: true };
}

/** Two points for each part, and a NaN where there is one. */
const pointsPerPart = 3;

/** Parts of at least a block are made of whole blocks, which are kept at hand; narrower ones are read point by point. */
function readExtremes(manager: EntityManager, filter: SampleFilter, range: Range): Promise<MetricRow[]> {
  const parts = Math.max(1, Math.floor(filter.maxPoints / pointsPerPart) - 1);
  const stepsPerPart = Math.ceil((range.last - range.first + 1) / parts);
  const ofBlocks = stepsPerPart >= stepsPerBlock;
  const unit = ofBlocks ? stepsPerBlock : 1;
  const values = [
    filter.key,
    range.id,
    Math.floor(range.first / unit),
    Math.floor(range.last / unit),
    Math.ceil(stepsPerPart / unit),
  ];
  return manager.query<MetricRow[]>(sampleStatement(ofBlocks ? blockSource : pointSource), values);
}

const blockSource = `
  SELECT (block - $3::int8) / $5::int8 AS part, is_nan, ARRAY[low_value, low_step, low_timestamp_ms] AS low,
    ARRAY[-high_value, high_step, high_timestamp_ms] AS high
  FROM metric_blocks WHERE series_id = $2 AND block BETWEEN $3::int8 AND $4::int8`;
const pointSource = `
  SELECT (step - $3::int8) / $5::int8 AS part, value = 'NaN' AS is_nan, ARRAY[value, step, timestamp_ms] AS low,
    ARRAY[-value, step, timestamp_ms] AS high
  FROM metric_points WHERE series_id = $2 AND step BETWEEN $3::int8 AND $4::int8`;

/** Arrays are compared from their first element on: by value, then step, then time. */
const sampleStatement = (source: string): string => `
  WITH parts AS (SELECT min(low) AS low, min(high) AS high FROM (${source}) AS one GROUP BY part, is_nan),
  ends AS (SELECT low[2] AS step, low[3] AS timestamp_ms, low[1] AS value FROM parts
    UNION SELECT high[2], high[3], -high[1] FROM parts)
  SELECT $1::text AS key, step, timestamp_ms, value FROM ends ORDER BY step, timestamp_ms, value`;
