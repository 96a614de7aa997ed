/** Logged models as MLflow shows them, so many at once as a page has: their experiments, metrics and registrations in one statement each. */
import type { LoggedModelEntity } from '#database/entities/mlflow.entity';
import type { EntityManager } from 'typeorm';
import { toHex, toPairs } from './fields.js';

/** The id as clients see it. */
export const loggedModelId = (uuid: string): string => `m-${toHex(uuid)}`;

/** Where the files of one are, below the root of all artifacts. */
const rootOf = (experimentId: string, uuid: string): string =>
  `${experimentId}/models/${loggedModelId(uuid)}/artifacts`;

interface ExtraRow {
  readonly id: string;
  readonly experiment_id: string;
  readonly metrics: object[];
  readonly registrations: { name: string; version: string }[];
}

const extraStatement = `
  SELECT x.id, CASE WHEN e.name = 'Default' THEN '0' ELSE replace(e.id::text, '-', '') END AS experiment_id,
    (SELECT coalesce(json_agg(json_strip_nulls(json_build_object('key', q.key, 'value', q.value, 'timestamp', q.timestamp_ms,
       'step', q.step, 'model_id', 'm-' || replace(x.id::text, '-', ''), 'run_id', replace(q.run_id::text, '-', ''),
       'dataset_name', nullif(q.dataset_name, ''), 'dataset_digest', nullif(q.dataset_digest, ''))) ORDER BY q.key), '[]')
     FROM logged_model_metrics q WHERE q.logged_model_id = x.id) AS metrics,
    (SELECT coalesce(json_agg(json_build_object('name', m.name, 'version', v.number::text) ORDER BY m.name, v.number), '[]')
     FROM mlflow_versions w JOIN versions v ON v.id = w.version_id JOIN models m ON m.id = v.model_id
     WHERE w.logged_model_id = x.id AND v.archived_at IS NULL) AS registrations
  FROM logged_models x JOIN experiments e ON e.id = x.experiment_id WHERE x.id = ANY($1::uuid[])`;

async function extrasOf(manager: EntityManager, ids: readonly string[]): Promise<Map<string, ExtraRow>> {
  const rows = await manager.query<ExtraRow[]>(extraStatement, [ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

/** Where the files of a logged model are. */
export async function loggedModelRoot(manager: EntityManager, id: string): Promise<string> {
  const extra = (await extrasOf(manager, [id])).get(id);
  return rootOf(extra?.experiment_id ?? '0', id);
}

export async function toLoggedModels(
  manager: EntityManager,
  rows: readonly LoggedModelEntity[],
): Promise<object[]> {
  const extras = await extrasOf(
    manager,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => toLoggedModel(row, extras.get(row.id)));
}

function toLoggedModel(row: LoggedModelEntity, extra: ExtraRow | undefined): object {
  const experimentId = extra?.experiment_id ?? '0';
  return {
    info: {
      model_id: loggedModelId(row.id),
      experiment_id: experimentId,
      name: row.name,
      creation_timestamp_ms: row.created_at.getTime(),
      last_updated_timestamp_ms: row.updated_at.getTime(),
      artifact_uri: `mlflow-artifacts:/${rootOf(experimentId, row.id)}`,
      status: `LOGGED_MODEL_${row.status}`,
      model_type: row.model_type,
      ...(row.run_id === null ? {} : { source_run_id: toHex(row.run_id) }),
      tags: toPairs(row.tags),
      registrations: extra?.registrations ?? [],
    },
    data: { params: toPairs(row.params), metrics: extra?.metrics ?? [] },
  };
}
