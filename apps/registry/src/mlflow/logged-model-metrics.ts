/** Metrics that a run measures of a logged model. Beside the run's history, the latest of each is kept with the model. */
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';
import { fromHex } from './fields.js';

export interface ModelMetric {
  readonly key: string;
  readonly value: number | string;
  readonly timestamp: number;
  readonly step: number;
  /** `m-` and 32 hex digits. */
  readonly model_id: string;
  readonly dataset_name: string;
  readonly dataset_digest: string;
}

/** @throws SluiceError ARTIFACT_NOT_FOUND when there is no such logged model */
export async function writeModelMetrics(
  manager: EntityManager,
  runId: string,
  metrics: readonly ModelMetric[],
): Promise<void> {
  if (metrics.length === 0) return;
  const ids = metrics.map(({ model_id }) => idOf(model_id));
  await requireModels(manager, ids);
  const columns = 'logged_model_id, key, run_id, dataset_name, dataset_digest';
  await manager.query(
    `INSERT INTO logged_model_metrics AS l (${columns}, step, timestamp_ms, value)
     SELECT DISTINCT ON (id, key, dataset_name, dataset_digest) id, key, $1::uuid, dataset_name, dataset_digest, step, timestamp_ms, value
     FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::int8[], $8::float8[])
       AS m(id, key, dataset_name, dataset_digest, step, timestamp_ms, value)
     ORDER BY id, key, dataset_name, dataset_digest, step DESC, timestamp_ms DESC, value DESC
     ON CONFLICT (${columns}) DO UPDATE
     SET step = excluded.step, timestamp_ms = excluded.timestamp_ms, value = excluded.value
     WHERE (excluded.step, excluded.timestamp_ms, excluded.value) > (l.step, l.timestamp_ms, l.value)`,
    [
      runId,
      ids,
      metrics.map(({ key }) => key),
      metrics.map(({ dataset_name }) => dataset_name),
      metrics.map(({ dataset_digest }) => dataset_digest),
      metrics.map(({ step }) => step),
      metrics.map(({ timestamp }) => timestamp),
      metrics.map(({ value }) => String(value)),
    ],
  );
}

function idOf(modelId: string): string {
  const id = modelId.startsWith('m-') ? fromHex(modelId.slice(2)) : undefined;
  if (id === undefined) throw modelNotFound(modelId);
  return id;
}

async function requireModels(manager: EntityManager, ids: readonly string[]): Promise<void> {
  const [missing] = await manager.query<{ id: string }[]>(
    `SELECT id FROM unnest($1::uuid[]) AS given(id)
     WHERE NOT EXISTS (SELECT FROM logged_models x WHERE x.id = given.id AND x.deleted_at IS NULL) LIMIT 1`,
    [ids],
  );
  if (missing) throw modelNotFound(`m-${missing.id.replaceAll('-', '')}`);
}

const modelNotFound = (id: string): SluiceError =>
  new SluiceError('ARTIFACT_NOT_FOUND', `Logged model with ID '${id.slice(0, 100)}' not found.`);
