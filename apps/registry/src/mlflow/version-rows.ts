/** Registered versions as MLflow shows them. READY for its client as soon as the bytes are there; whether Sluice serves them is a tag. */
import type { VersionStatus } from '#contracts/models';
import type { EntityManager } from 'typeorm';
import { toHex, toPairs } from './fields.js';
import { loggedModelId } from './logged-model-views.js';
import { attributeOf } from './search/sql.js';
import { stageOf } from './stages.js';
import type { Mark } from './stages.js';
import type { Parameters, Resolve } from './search/sql.js';

export interface MlflowVersionRow {
  readonly id: string;
  readonly model: string;
  readonly number: number;
  readonly status: VersionStatus;
  readonly status_reason: string | null;
  readonly description: string;
  readonly tags: Record<string, string>;
  readonly run_id: string | null;
  readonly created_at: Date;
  readonly created_by: string;
  readonly source: string | null;
  readonly run_link: string;
  readonly mark: Mark;
  readonly logged_model_id: string | null;
  readonly aliases: string[];
}

/** Tags that the registry makes itself. */
export const ownTagPrefix = 'sluice.';

/** @param rest a condition on `v`, `m` and `x`, with ORDER BY and LIMIT if need be */
export const selectVersions = (rest: string, column = 'NULL'): string =>
  `SELECT v.id, m.name AS model, v.number, v.status, v.status_reason, v.description, v.tags, v.run_id, v.created_at,
     v.created_by, x.source, coalesce(x.run_link, '') AS run_link, coalesce(x.stage, 'None') AS mark, x.logged_model_id,
     (SELECT coalesce(json_agg(a.name ORDER BY a.name), '[]') FROM aliases a
      WHERE a.model_id = v.model_id AND a.version_number = v.number) AS aliases, ${column}
   FROM versions v JOIN models m ON m.id = v.model_id LEFT JOIN mlflow_versions x ON x.version_id = v.id
   WHERE v.archived_at IS NULL AND m.archived_at IS NULL AND ${rest}`;

export const readVersions = (
  manager: EntityManager,
  rest: string,
  values: readonly unknown[],
): Promise<MlflowVersionRow[]> => manager.query<MlflowVersionRow[]>(selectVersions(rest), [...values]);

/** The version that a stage's alias names, or the mark of those that none names. */
const stageSql = `coalesce((SELECT min(b.name) FROM aliases b WHERE b.model_id = w.model_id AND b.version_number = w.number
  AND b.name IN ('production', 'staging')), y.stage, 'None')`;

/** The highest version of each stage, for each of these models. */
export const readLatest = (manager: EntityManager, models: readonly string[]): Promise<MlflowVersionRow[]> =>
  readVersions(
    manager,
    `v.id IN (SELECT DISTINCT ON (w.model_id, ${stageSql}) w.id FROM versions w
       JOIN models n ON n.id = w.model_id LEFT JOIN mlflow_versions y ON y.version_id = w.id
       WHERE n.name = ANY($1::text[]) AND w.archived_at IS NULL
       ORDER BY w.model_id, ${stageSql}, w.number DESC) ORDER BY v.number DESC`,
    [models],
  );

/** Where a version's files are read; they never change. */
export const versionUri = (id: string): string => `mlflow-artifacts:/versions/${toHex(id)}`;

export const toModelVersion = (row: MlflowVersionRow) => ({
  name: row.model,
  version: String(row.number),
  creation_timestamp: row.created_at.getTime(),
  last_updated_timestamp: row.created_at.getTime(),
  user_id: row.created_by,
  current_stage: stageOf(row.aliases, row.mark),
  description: row.description,
  source: row.source ?? versionUri(row.id),
  ...(row.run_id === null ? {} : { run_id: toHex(row.run_id) }),
  ...(row.logged_model_id === null ? {} : { model_id: loggedModelId(row.logged_model_id) }),
  status: 'READY',
  run_link: row.run_link,
  aliases: row.aliases,
  tags: toPairs({
    ...row.tags,
    [`${ownTagPrefix}status`]: row.status,
    ...(row.status_reason === null ? {} : { [`${ownTagPrefix}status_reason`]: row.status_reason }),
  }),
});

const number = { sql: 'v.number', type: 'number', required: true } as const;
const created = { sql: 'v.created_at', type: 'instant', required: true } as const;
const columns = {
  name: { sql: 'm.name', type: 'text', required: true },
  version: number,
  version_number: number,
  run_id: { sql: `replace(v.run_id::text, '-', '')`, type: 'text' },
  source_path: { sql: 'x.source', type: 'text' },
  creation_timestamp: created,
  last_updated_timestamp: created,
} as const;

/** The fields of a version. */
export const resolveVersionField: Resolve = ({ entity, key }, parameters) =>
  entity === 'attribute' ? attributeOf(columns, key) : tagOf(entity, 'v', key, parameters);

/** A tag of `alias`; one that is absent differs from any value. */
export const tagOf = (entity: string, alias: 'v' | 'm', key: string, parameters: Parameters) =>
  entity === 'tag'
    ? ({
        sql: `(${alias}.tags ->> ${parameters.add(key)}::text)`,
        type: 'text',
        absentDiffers: true,
      } as const)
    : undefined;
