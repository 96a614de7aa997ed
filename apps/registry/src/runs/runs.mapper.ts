/** Rows of the training log ↔ contract. NaN and the infinities are strings on the wire, because JSON lacks them. */
import { parentRunTag, studyTag } from '#contracts/runs';
import type { Experiment, MetricPoint, Run, RunStatus } from '#contracts/runs';
import type { ExperimentEntity } from '#database/entities/run.entity';
import { z } from 'zod';

export interface RunRow {
  readonly id: string;
  readonly experiment: string;
  readonly name: string;
  readonly status: RunStatus;
  readonly started_at: Date;
  readonly ended_at: Date | null;
  readonly created_by: string;
  readonly params: Record<string, string> | null;
  readonly tags: Record<string, string> | null;
  /** PostgreSQL writes what JSON lacks as `"NaN"`, `"Infinity"` and `"-Infinity"`, just as the contract does. */
  readonly metrics: MetricPoint[] | null;
}

export interface MetricRow {
  readonly key: string;
  readonly step: number;
  readonly timestamp_ms: number;
  readonly value: number;
}

export function toRun(row: RunRow): Run {
  return {
    id: row.id,
    experiment: row.experiment,
    name: row.name,
    status: row.status,
    params: row.params ?? {},
    metrics: Object.fromEntries((row.metrics ?? []).map((point) => [point.key, point])),
    tags: row.tags ?? {},
    parent_run_id: toId(row.tags?.[parentRunTag]),
    study_id: toId(row.tags?.[studyTag]),
    started_at: row.started_at.toISOString(),
    ended_at: row.ended_at?.toISOString() ?? null,
    created_by: row.created_by,
  };
}

/** Tags are any client's; MLflow's hold 32 hex digits. */
function toId(tag: string | undefined): string | null {
  const dashed = tag?.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return z.uuid().safeParse(dashed).data ?? null;
}

export const toMetricPoint = (row: MetricRow): MetricPoint => ({
  key: row.key,
  value: toMetricValue(row.value),
  step: row.step,
  timestamp_ms: row.timestamp_ms,
});

function toMetricValue(value: number): MetricPoint['value'] {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Infinity) return 'Infinity';
  return value === -Infinity ? '-Infinity' : value;
}

export const toExperiment = (row: ExperimentEntity): z.output<typeof Experiment> => ({
  id: row.id,
  name: row.name,
  tags: row.tags,
  created_at: row.created_at.toISOString(),
});
