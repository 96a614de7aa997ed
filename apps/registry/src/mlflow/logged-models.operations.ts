/** Logged models of MLflow 3: a model's files and facts, from the run that made it, before anyone registers it. */
import { LoggedModelEntity } from '#database/entities/mlflow.entity';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, IsNull } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { Creations } from '../creations/creations.js';
import type { Caller } from '../http/caller.js';
import { madeUpName } from '../runs/run-name.js';
import { ExperimentOperations } from './experiments.operations.js';
import { Key, fromHex, runIdOf, searchFields, tagList } from './fields.js';
import { loggedModelId, loggedModelRoot, toLoggedModels } from './logged-model-views.js';
import { MlflowFiles } from './mlflow-files.js';
import { never, operation } from './operation.js';
import { orderTerms, readPage } from './search/keyset.js';
import type { Placed } from './search/keyset.js';
import { Parameters, attributeOf, toCondition } from './search/sql.js';
import type { Resolve } from './search/sql.js';

const ById = z.object({ model_id: z.string() });
const Create = z.object({
  experiment_id: z.string(),
  name: z.string().max(500).default(''),
  model_type: z.string().max(500).default(''),
  source_run_id: z.string().default(''),
  params: tagList(6_000),
  tags: tagList(8_000),
});
const Status = z.enum(['LOGGED_MODEL_PENDING', 'LOGGED_MODEL_READY', 'LOGGED_MODEL_UPLOAD_FAILED']);
const DatasetChoice = {
  dataset_name: z.string().max(500).default(''),
  dataset_digest: z.string().max(36).default(''),
};
const { order_by: _textOrder, ...searching } = searchFields(50, 1_000);
const Search = z.object({
  ...searching,
  experiment_ids: z.array(z.string()).max(1_000).default([]),
  datasets: z.array(z.object(DatasetChoice)).max(100).default([]),
  order_by: z
    .array(
      z.object({ field_name: z.string().max(300), ascending: z.boolean().default(true), ...DatasetChoice }),
    )
    .max(20)
    .default([]),
});
type Datasets = readonly z.output<z.ZodObject<typeof DatasetChoice>>[];

const read = { method: 'GET', access: 'runs:read' } as const;
const write = { method: 'POST', access: 'runs:write' } as const;

@Injectable()
export class LoggedModelOperations {
  readonly operations = [
    operation({ ...write, path: 'logged-models', input: Create, creates: never }, (input, caller) =>
      this.create(input, caller),
    ),
    operation({ ...write, access: 'runs:read', path: 'logged-models/search', input: Search }, (input) =>
      this.search(input),
    ),
    operation({ ...read, path: 'logged-models/{model_id}', input: ById }, async (input) => ({
      model: await this.view(await this.find(input.model_id)),
    })),
    operation(
      { ...write, method: 'PATCH', path: 'logged-models/{model_id}', input: ById.extend({ status: Status }) },
      (input) => this.finalize(input.model_id, input.status),
    ),
    operation({ ...write, method: 'DELETE', path: 'logged-models/{model_id}', input: ById }, (input) =>
      this.change(input.model_id, { deleted_at: new Date() }),
    ),
    operation(
      { ...write, path: 'logged-models/{model_id}/params', input: ById.extend({ params: tagList(6_000) }) },
      (input) => this.merge(input.model_id, 'params', input.params, []),
    ),
    operation(
      {
        ...write,
        method: 'PATCH',
        path: 'logged-models/{model_id}/tags',
        input: ById.extend({ tags: tagList(8_000) }),
      },
      (input) => this.merge(input.model_id, 'tags', input.tags, []),
    ),
    operation(
      {
        ...write,
        method: 'DELETE',
        path: 'logged-models/{model_id}/tags/{tag_key}',
        input: ById.extend({ tag_key: Key }),
      },
      (input) => this.merge(input.model_id, 'tags', {}, [input.tag_key]),
    ),
    operation(
      {
        ...read,
        path: 'logged-models/{model_id}/artifacts/directories',
        input: ById.extend({ artifact_directory_path: z.string().default('') }),
      },
      async (input, caller) => {
        const root = await this.rootOf(await this.find(input.model_id));
        const folder = input.artifact_directory_path.replace(/^\/|\/$/g, '');
        const files = await this.files.list(folder === '' ? root : `${root}/${folder}`, caller);
        return { root_uri: `mlflow-artifacts:/${root}`, files };
      },
    ),
  ];

  constructor(
    private readonly dataSource: DataSource,
    private readonly experiments: ExperimentOperations,
    private readonly files: MlflowFiles,
    private readonly creations: Creations,
  ) {}

  /** @param id `m-` and 32 hex digits. @throws SluiceError ARTIFACT_NOT_FOUND */
  async find(id: string): Promise<LoggedModelEntity> {
    const uuid = id.startsWith('m-') ? fromHex(id.slice(2)) : undefined;
    const row =
      uuid === undefined
        ? null
        : await this.dataSource.manager.findOneBy(LoggedModelEntity, { id: uuid, deleted_at: IsNull() });
    if (row) return row;
    throw new SluiceError('ARTIFACT_NOT_FOUND', `Logged model with ID '${id.slice(0, 100)}' not found.`);
  }

  /** Where its files are. */
  rootOf(row: LoggedModelEntity): Promise<string> {
    return loggedModelRoot(this.dataSource.manager, row.id);
  }

  private async create(input: z.output<typeof Create>, caller: Caller): Promise<object> {
    const experiment = await this.experiments.find(input.experiment_id);
    const now = new Date();
    const row: LoggedModelEntity = {
      id: uuidv7(),
      experiment_id: experiment.id,
      run_id: input.source_run_id === '' ? null : runIdOf({ run_id: input.source_run_id }),
      name: input.name === '' ? madeUpName(Math.random) : input.name,
      model_type: input.model_type,
      status: 'PENDING',
      params: input.params,
      tags: input.tags,
      created_at: now,
      updated_at: now,
      deleted_at: null,
    };
    const id = await this.creations.once(caller, async (tx) => {
      await tx.manager.insert(LoggedModelEntity, row);
      return loggedModelId(row.id);
    });
    return { model: await this.view(await this.find(id)) };
  }

  private async finalize(id: string, status: z.output<typeof Status>): Promise<object> {
    await this.change(id, { status: status.replace('LOGGED_MODEL_', '') });
    return { model: await this.view(await this.find(id)) };
  }

  private async change(id: string, wanted: Partial<LoggedModelEntity>): Promise<void> {
    const row = await this.find(id);
    await this.dataSource.manager.update(
      LoggedModelEntity,
      { id: row.id },
      { ...wanted, updated_at: new Date() },
    );
  }

  private async merge(
    id: string,
    column: 'params' | 'tags',
    added: Record<string, string>,
    removed: string[],
  ): Promise<object> {
    const row = await this.find(id);
    await this.dataSource.manager.query(
      `UPDATE logged_models SET ${column} = (${column} || $2::jsonb) - $3::text[], updated_at = now() WHERE id = $1`,
      [row.id, JSON.stringify(added), removed],
    );
    return column === 'tags' ? { model: await this.view(await this.find(id)) } : {};
  }

  private async search(input: z.output<typeof Search>): Promise<object> {
    const parameters = new Parameters();
    const ids = await Promise.all(
      input.experiment_ids.map(async (id) => (await this.experiments.find(id)).id),
    );
    const filter = toCondition(input.filter, resolverOf(input.datasets), parameters);
    const terms = [
      ...input.order_by.flatMap((order) =>
        orderTerms(
          [`${order.field_name} ${order.ascending ? 'ASC' : 'DESC'}`],
          resolverOf(order.dataset_name === '' ? [] : [order]),
          parameters,
        ),
      ),
      { sql: 'x.created_at', type: 'instant', descending: true } as const,
      { sql: 'x.id', type: 'uuid', descending: false } as const,
    ];
    const experiments = parameters.add(ids);
    const query = (text: string, values: unknown[]) =>
      this.dataSource.manager.query<Placed<LoggedModelEntity>[]>(text, values);
    const { rows, ...next } = await readPage(query, {
      select: (columns, condition) =>
        `SELECT x.*, ${columns} FROM logged_models x WHERE x.deleted_at IS NULL
         AND x.experiment_id = ANY(${experiments}::uuid[]) AND ${filter} AND ${condition}`,
      terms,
      parameters,
      pageToken: input.page_token,
      limit: input.max_results,
    });
    return { models: await toLoggedModels(this.dataSource.manager, rows), ...next };
  }

  private async view(row: LoggedModelEntity): Promise<object> {
    const [view] = await toLoggedModels(this.dataSource.manager, [row]);
    return view ?? {};
  }
}

const columns = {
  name: { sql: 'x.name', type: 'text' },
  model_id: { sql: `'m-' || replace(x.id::text, '-', '')`, type: 'text' },
  model_type: { sql: 'x.model_type', type: 'text' },
  status: { sql: 'x.status', type: 'text' },
  source_run_id: { sql: `replace(x.run_id::text, '-', '')`, type: 'text' },
  creation_timestamp: { sql: 'x.created_at', type: 'instant' },
  creation_timestamp_ms: { sql: 'x.created_at', type: 'instant' },
  creation_time: { sql: 'x.created_at', type: 'instant' },
  last_updated_timestamp: { sql: 'x.updated_at', type: 'instant' },
  last_updated_timestamp_ms: { sql: 'x.updated_at', type: 'instant' },
} as const;

/** A metric is the latest that any run measured, with one of the datasets if there are any. */
const resolverOf =
  (datasets: Datasets): Resolve =>
  ({ entity, key }, parameters) => {
    if (entity === 'attribute') return attributeOf(columns, key);
    if (entity === 'dataset') return undefined;
    if (entity !== 'metric') return { sql: `(x.${entity}s ->> ${parameters.add(key)}::text)`, type: 'text' };
    const chosen = datasets.map(({ dataset_name, dataset_digest }) => {
      const digest = `${parameters.add(dataset_digest)}::text`;
      return `(q.dataset_name = ${parameters.add(dataset_name)}::text AND (${digest} = '' OR q.dataset_digest = ${digest}))`;
    });
    const sql = `(SELECT q.value FROM logged_model_metrics q WHERE q.logged_model_id = x.id
      AND q.key = ${parameters.add(key)}::text AND (${chosen.length === 0 ? 'true' : chosen.join(' OR ')})
      ORDER BY q.timestamp_ms DESC, q.step DESC, q.run_id LIMIT 1)`;
    return { sql, type: 'number' };
  };
