/**
 * Runs as MLflow shows them: found by a condition, then read with params, tags and latest metrics in one statement. What is long
 * in them is JSON that the database wrote and nobody reads again before the client does.
 */
import type { RunStatus } from '#contracts/runs';
import type { EntityManager } from 'typeorm';
import { toHex } from './fields.js';

export interface MlflowRunRow {
  readonly id: string;
  readonly experiment_id: string;
  readonly name: string;
  readonly status: RunStatus;
  readonly started_at: Date;
  readonly ended_at: Date | null;
  readonly deleted_at: Date | null;
  readonly created_by: string;
  /** JSON text, like the two below. */
  readonly data: string;
  readonly inputs: string;
  readonly outputs: string;
}

/** Shown like `experimentIdOf`. */
const experimentId = `CASE WHEN e.name = 'Default' THEN '0' ELSE replace(e.id::text, '-', '') END`;

const modelId = (column: string): string => `'m-' || replace(${column}::text, '-', '')`;

/** The runs of these ids, in their order. */
export function readMlflowRuns(manager: EntityManager, ids: readonly string[]): Promise<MlflowRunRow[]> {
  return manager.query<MlflowRunRow[]>(
    `SELECT r.id, ${experimentId} AS experiment_id, r.name, r.status, r.started_at, r.ended_at, r.deleted_at, r.created_by,
       json_build_object('params', (SELECT coalesce(json_agg(json_build_object('key', key, 'value', value) ORDER BY key), '[]')
        FROM run_params WHERE run_id = r.id), 'tags',
       (SELECT coalesce(json_agg(json_build_object('key', key, 'value', value) ORDER BY key), '[]')
        FROM run_tags WHERE run_id = r.id), 'metrics',
       (SELECT coalesce(json_agg(json_build_object('key', key, 'value', value, 'timestamp', timestamp_ms, 'step', step)
          ORDER BY key), '[]') FROM metric_series WHERE run_id = r.id))::text AS data,
       json_build_object('dataset_inputs', (SELECT coalesce(json_agg(json_build_object('tags', (SELECT coalesce(json_agg(json_build_object('key', key, 'value', value)), '[]')
            FROM jsonb_each_text(i.tags)), 'dataset', json_strip_nulls(json_build_object('name', d.name, 'digest', d.digest,
            'source_type', d.source_type, 'source', d.source, 'schema', d.schema, 'profile', d.profile))) ORDER BY d.id), '[]')
        FROM run_datasets i JOIN datasets d ON d.id = i.dataset_id WHERE i.run_id = r.id), 'model_inputs',
       (SELECT coalesce(json_agg(json_build_object('model_id', ${modelId('o.logged_model_id')}) ORDER BY o.logged_model_id), '[]')
        FROM run_models o WHERE o.run_id = r.id AND NOT o.is_output))::text AS inputs,
       json_build_object('model_outputs', (SELECT coalesce(json_agg(json_build_object('model_id', ${modelId('o.id')}, 'step', o.step) ORDER BY o.id), '[]')
        FROM (SELECT logged_model_id AS id, step FROM run_models WHERE run_id = r.id AND is_output
          UNION SELECT x.id, 0 FROM logged_models x WHERE x.run_id = r.id AND x.deleted_at IS NULL
            AND NOT EXISTS (SELECT FROM run_models y WHERE y.run_id = r.id AND y.logged_model_id = x.id AND y.is_output)) o))::text AS outputs
     FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted(id, place)
     JOIN runs r ON r.id = wanted.id JOIN experiments e ON e.id = r.experiment_id ORDER BY wanted.place`,
    [ids],
  );
}

/** Where a run's files are, below the root of all artifacts. */
export const runArtifactRoot = (row: Pick<MlflowRunRow, 'id' | 'experiment_id'>): string =>
  `${row.experiment_id}/${toHex(row.id)}/artifacts`;

export const toRunInfo = (row: MlflowRunRow) => ({
  run_id: toHex(row.id),
  run_uuid: toHex(row.id),
  run_name: row.name,
  experiment_id: row.experiment_id,
  user_id: row.created_by,
  status: row.status,
  start_time: row.started_at.getTime(),
  ...(row.ended_at ? { end_time: row.ended_at.getTime() } : {}),
  artifact_uri: `mlflow-artifacts:/${runArtifactRoot(row)}`,
  lifecycle_stage: row.deleted_at ? 'deleted' : 'active',
});

/** JSON text. */
export const toMlflowRun = (row: MlflowRunRow): string =>
  `{"info":${JSON.stringify(toRunInfo(row))},"data":${row.data},"inputs":${row.inputs},"outputs":${row.outputs}}`;
