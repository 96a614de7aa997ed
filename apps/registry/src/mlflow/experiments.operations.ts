/** MLflow's experiments. `Default` has the id "0"; every other id is a UUID in hex. */
import { CreateExperiment } from '#contracts/runs';
import { ExperimentEntity } from '#database/entities/run.entity';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { Creations } from '../creations/creations.js';
import type { Caller } from '../http/caller.js';
import { violatedConstraint } from '../http/violations.js';
import { ExperimentsService, insertExperiment } from '../runs/experiments.service.js';
import { Key, fromHex, searchFields, tagList, toHex, toPairs } from './fields.js';
import { never, operation } from './operation.js';
import { orderTerms, readPage } from './search/keyset.js';
import type { Placed } from './search/keyset.js';
import { attributeOf, Parameters, toCondition } from './search/sql.js';
import type { Resolve } from './search/sql.js';

const defaultName = 'Default';
const ById = z.object({ experiment_id: z.string() });
const Create = z.object({
  name: CreateExperiment.shape.name,
  artifact_location: z.string().optional(),
  tags: tagList(5_000),
});
const Search = z.object({
  ...searchFields(1_000, 50_000),
  view_type: z.enum(['ACTIVE_ONLY', 'DELETED_ONLY', 'ALL']).default('ACTIVE_ONLY'),
});

const read = { method: 'GET', access: 'runs:read' } as const;
const write = { method: 'POST', access: 'runs:write' } as const;

/** The id as clients see it. */
export const experimentIdOf = (row: Pick<ExperimentEntity, 'id' | 'name'>): string =>
  row.name === defaultName ? '0' : toHex(row.id);

/** The condition of a view on rows that can be deleted. */
export const viewCondition = (view: z.output<typeof Search>['view_type'], column: string): string =>
  ({ ACTIVE_ONLY: `${column} IS NULL`, DELETED_ONLY: `${column} IS NOT NULL`, ALL: 'true' })[view];

@Injectable()
export class ExperimentOperations {
  readonly operations = [
    operation({ ...write, path: 'experiments/create', input: Create, creates: never }, (input, caller) =>
      this.create(input, caller),
    ),
    operation({ ...read, path: 'experiments/get', input: ById }, async (input) => ({
      experiment: toMlflow(await this.find(input.experiment_id)),
    })),
    operation(
      { ...read, path: 'experiments/get-by-name', input: z.object({ experiment_name: z.string() }) },
      async (input) => ({ experiment: toMlflow(await this.findByName(input.experiment_name)) }),
    ),
    ...(['POST', 'GET'] as const).map((method) =>
      operation({ method, access: 'runs:read', path: 'experiments/search', input: Search }, (input) =>
        this.search(input),
      ),
    ),
    operation(
      { ...write, path: 'experiments/update', input: ById.extend({ new_name: CreateExperiment.shape.name }) },
      (input, caller) => this.rename(input.experiment_id, input.new_name, caller),
    ),
    operation({ ...write, path: 'experiments/delete', input: ById }, (input, caller) =>
      this.change(input.experiment_id, { deleted_at: new Date() }, 'experiment.delete', caller),
    ),
    operation({ ...write, path: 'experiments/restore', input: ById }, (input, caller) =>
      this.change(input.experiment_id, { deleted_at: null }, 'experiment.restore', caller),
    ),
    operation(
      {
        ...write,
        path: 'experiments/set-experiment-tag',
        input: ById.extend({ key: Key, value: z.string().max(5_000) }),
      },
      (input, caller) => this.setTag(input.experiment_id, { [input.key]: input.value }, [], caller),
    ),
    operation(
      { ...write, path: 'experiments/delete-experiment-tag', input: ById.extend({ key: Key }) },
      (input, caller) => this.setTag(input.experiment_id, {}, [input.key], caller),
    ),
  ];

  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly experiments: ExperimentsService,
    private readonly creations: Creations,
  ) {}

  /** @throws SluiceError EXPERIMENT_NOT_FOUND */
  async find(id: string): Promise<ExperimentEntity> {
    if (id === '0' || id === '') return this.findByName(defaultName);
    const uuid = fromHex(id);
    const row =
      uuid === undefined ? null : await this.dataSource.manager.findOneBy(ExperimentEntity, { id: uuid });
    if (row && row.name !== defaultName) return row;
    throw new SluiceError('EXPERIMENT_NOT_FOUND', `No Experiment with id=${id.slice(0, 100)} exists.`);
  }

  private async findByName(name: string): Promise<ExperimentEntity> {
    const { manager } = this.dataSource;
    // Made when it is first asked for.
    if (name === defaultName) await this.experiments.idOf(manager, name);
    const row = await manager.findOneBy(ExperimentEntity, { name });
    if (row) return row;
    const shown = name.slice(0, 500);
    throw new SluiceError('EXPERIMENT_NOT_FOUND', `Could not find experiment with name '${shown}'.`);
  }

  private async create(input: z.output<typeof Create>, caller: Caller): Promise<object> {
    if (input.artifact_location !== undefined && input.artifact_location !== '')
      throw new SluiceError(
        'INVALID_REQUEST',
        'artifact_location cannot be chosen: the registry keeps the artifacts itself.',
      );
    const id = await this.creations.once(caller, async (tx) =>
      experimentIdOf(await insertExperiment(tx, { name: input.name, tags: input.tags })),
    );
    return { experiment_id: id };
  }

  private async search(input: z.output<typeof Search>): Promise<object> {
    const parameters = new Parameters();
    const filter = toCondition(input.filter, resolve, parameters);
    const terms = [
      ...orderTerms(input.order_by, resolve, parameters),
      { sql: 'x.created_at', type: 'instant', descending: true } as const,
      { sql: 'x.id', type: 'uuid', descending: false } as const,
    ];
    const query = (text: string, values: unknown[]) =>
      this.dataSource.manager.query<Placed<ExperimentEntity>[]>(text, values);
    const { rows, ...next } = await readPage(query, {
      select: (columns, condition) =>
        `SELECT x.*, ${columns} FROM experiments x
         WHERE ${viewCondition(input.view_type, 'x.deleted_at')} AND ${filter} AND ${condition}`,
      terms,
      parameters,
      pageToken: input.page_token,
      limit: input.max_results,
    });
    return { experiments: rows.map(toMlflow), ...next };
  }

  private async rename(id: string, name: string, caller: Caller): Promise<void> {
    await this.change(id, { name }, 'experiment.rename', caller);
  }

  private async change(
    id: string,
    wanted: Partial<ExperimentEntity>,
    action: string,
    caller: Caller,
  ): Promise<void> {
    const row = await this.find(id);
    if (row.name === defaultName)
      throw new SluiceError('INVALID_REQUEST', 'The default experiment cannot be renamed or deleted.');
    await this.transactions.write(caller, async (tx) => {
      await tx.manager.update(ExperimentEntity, { id: row.id }, wanted).catch((error: unknown) => {
        if (violatedConstraint(error) !== 'experiments_name_key') throw error;
        throw new SluiceError('ALREADY_EXISTS', `Experiment '${wanted.name ?? ''}' already exists.`);
      });
      const before = { name: row.name, deleted_at: row.deleted_at };
      const after = { ...before, ...wanted };
      await tx.audit({ action, subject: `experiments/${row.name}`, before, after });
    });
  }

  private async setTag(
    id: string,
    tags: Record<string, string>,
    removed: string[],
    caller: Caller,
  ): Promise<void> {
    const row = await this.find(id);
    await this.transactions.write(caller, async (tx) => {
      const lock = { mode: 'pessimistic_write' } as const;
      const last = await tx.manager.findOneOrFail(ExperimentEntity, { where: { id: row.id }, lock });
      const all = { ...last.tags, ...tags };
      const after = {
        tags: Object.fromEntries(Object.entries(all).filter(([key]) => !removed.includes(key))),
      };
      await tx.manager.update(ExperimentEntity, { id: row.id }, after);
      const subject = `experiments/${row.name}`;
      await tx.audit({ action: 'experiment.tag', subject, before: { tags: last.tags }, after });
    });
  }
}

const columns = {
  name: { sql: 'x.name', type: 'text' },
  experiment_id: {
    sql: `CASE WHEN x.name = '${defaultName}' THEN '0' ELSE replace(x.id::text, '-', '') END`,
    type: 'text',
  },
  creation_time: { sql: 'x.created_at', type: 'instant' },
  last_update_time: { sql: 'coalesce(x.deleted_at, x.created_at)', type: 'instant' },
} as const;

const resolve: Resolve = ({ entity, key }, parameters) => {
  if (entity === 'tag')
    return { sql: `(x.tags ->> ${parameters.add(key)}::text)`, type: 'text', absentDiffers: true };
  return entity === 'attribute' ? attributeOf(columns, key) : undefined;
};

function toMlflow(row: ExperimentEntity): object {
  const id = experimentIdOf(row);
  return {
    experiment_id: id,
    name: row.name,
    artifact_location: `mlflow-artifacts:/${id}`,
    lifecycle_stage: row.deleted_at ? 'deleted' : 'active',
    creation_time: row.created_at.getTime(),
    last_update_time: (row.deleted_at ?? row.created_at).getTime(),
    tags: toPairs(row.tags),
  };
}
