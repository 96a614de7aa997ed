/** MLflow's runs. Unlike the API of Sluice's own, a run takes writes after its end too, until it is deleted. */
import type { MetricPoint } from '#contracts/runs';
import { MetricValue, runStatuses } from '#contracts/runs';
import { RunEntity } from '#database/entities/run.entity';
import { Transactions, retryDeadlocks } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { madeUpName } from '../runs/run-name.js';
import { announceRun } from '../runs/line-store.js';
import { writeMetrics } from '../runs/metric-store.js';
import { writeBatch } from '../runs/run-store.js';
import { ExperimentOperations, viewCondition } from './experiments.operations.js';
import {
  Int64,
  Key,
  Millis,
  runFields,
  runIdOf,
  RunKey,
  runNotFound,
  searchFields,
  tagList,
} from './fields.js';
import { writeModelMetrics } from './logged-model-metrics.js';
import { JsonText, operation } from './operation.js';
import { readMlflowRuns, toMlflowRun, toRunInfo } from './run-rows.js';
import { searchRuns } from './run-search.js';

const Status = z.enum(runStatuses);
const runNameTag = 'mlflow.runName';
const Run = z.object(runFields);
const Create = z.object({
  experiment_id: z.string().default('0'),
  run_name: z.string().max(250).default(''),
  start_time: Millis.optional(),
  tags: tagList(8_000),
});
const Update = Run.extend({
  status: Status.optional(),
  end_time: Millis.optional(),
  run_name: z.string().max(250).default(''),
});
const Metric = z.object({
  key: RunKey,
  value: MetricValue,
  timestamp: Millis,
  step: Int64.default(0),
  model_id: z.string().default(''),
  dataset_name: z.string().max(500).default(''),
  dataset_digest: z.string().max(36).default(''),
});
const Param = z.object({ key: RunKey, value: z.string().max(6_000).default('') });
const Tag = z.object({ key: RunKey, value: z.string().max(8_000).default('') });
const toRecord = (pairs: readonly { key: string; value: string }[]): Record<string, string> =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, value]));
/** The whole of an MLmodel file as JSON. */
const LoggedByTwo = z.looseObject({
  artifact_path: z.string(),
  utc_time_created: z.string(),
  flavors: z.record(z.string(), z.unknown()),
});
const Batch = Run.extend({
  metrics: z.array(Metric).max(1_000).default([]),
  params: z.array(Param).max(100).default([]),
  tags: z
    .array(Tag)
    .default([])
    .transform(toRecord)
    .refine((tags) => Object.keys(tags).length <= 100, 'at most 100 tags a batch'),
});
const Search = z.object({
  ...searchFields(1_000, 50_000),
  experiment_ids: z.array(z.string()).max(1_000).default([]),
  run_view_type: z.enum(['ACTIVE_ONLY', 'DELETED_ONLY', 'ALL']).default('ACTIVE_ONLY'),
});

const read = { method: 'GET', access: 'runs:read' } as const;
const write = { method: 'POST', access: 'runs:write' } as const;

@Injectable()
export class RunOperations {
  readonly operations = [
    operation({ ...write, path: 'runs/create', input: Create }, (input, caller) =>
      this.create(input, caller),
    ),
    operation({ ...read, path: 'runs/get', input: Run }, (input) => this.read(runIdOf(input))),
    operation({ ...write, path: 'runs/update', input: Update }, (input, caller) =>
      this.update(input, caller),
    ),
    operation({ ...write, path: 'runs/delete', input: Run }, (input, caller) =>
      this.setDeleted(runIdOf(input), new Date(), caller),
    ),
    operation({ ...write, path: 'runs/restore', input: Run }, (input, caller) =>
      this.setDeleted(runIdOf(input), null, caller),
    ),
    operation({ ...write, path: 'runs/log-metric', input: Metric.extend(runFields) }, (input, caller) =>
      this.log({ ...input, metrics: [input] }, caller),
    ),
    ...['runs/log-parameter', 'runs/log-param'].map((path) =>
      operation({ ...write, path, input: Param.extend(runFields) }, (input, caller) =>
        this.log({ ...input, params: [input] }, caller),
      ),
    ),
    operation({ ...write, path: 'runs/set-tag', input: Tag.extend(runFields) }, (input, caller) =>
      this.log({ ...input, tags: { [input.key]: input.value } }, caller),
    ),
    operation({ ...write, path: 'runs/delete-tag', input: Run.extend({ key: Key }) }, (input, caller) =>
      this.deleteTag(runIdOf(input), input.key, caller),
    ),
    operation({ ...write, path: 'runs/log-batch', input: Batch }, (input, caller) => this.log(input, caller)),
    operation(
      { ...write, path: 'runs/log-model', input: Run.extend({ model_json: z.string().max(100_000) }) },
      (input, caller) => this.logModel(runIdOf(input), input.model_json, caller),
    ),
    operation({ method: 'POST', access: 'runs:read', path: 'runs/search', input: Search }, (input) =>
      this.search(input),
    ),
  ];

  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly experiments: ExperimentOperations,
  ) {}

  private async create(input: z.output<typeof Create>, caller: Caller): Promise<object> {
    const experiment = await this.experiments.find(input.experiment_id);
    if (experiment.deleted_at)
      throw new SluiceError(
        'INVALID_REQUEST',
        `The experiment ${experiment.name} is deleted. Restore it first.`,
      );
    const given = input.run_name === '' ? input.tags[runNameTag] : input.run_name;
    const row: RunEntity = {
      id: uuidv7(),
      experiment_id: experiment.id,
      name: given ?? madeUpName(Math.random),
      status: 'RUNNING',
      started_at: new Date(input.start_time ?? Date.now()),
      ended_at: null,
      deleted_at: null,
      created_by: caller.subject,
    };
    await this.transactions.write(caller, async (tx) => {
      await tx.manager.insert(RunEntity, row);
      const tags = { ...input.tags, [runNameTag]: row.name };
      await writeBatch(tx.manager, row.id, { params: {}, tags, metrics: [] });
      await tx.audit({ action: 'run.create', subject: `runs/${row.id}`, after: row });
    });
    return this.read(row.id);
  }

  private async read(id: string): Promise<object> {
    return new JsonText(`{"run":${toMlflowRun(await this.row(id))}}`);
  }

  /** @throws SluiceError RUN_NOT_FOUND */
  async row(id: string) {
    const [row] = await readMlflowRuns(this.dataSource.manager, [id]);
    if (row) return row;
    throw runNotFound(id);
  }

  private async update(input: z.output<typeof Update>, caller: Caller): Promise<object> {
    const id = runIdOf(input);
    const change = async (tx: WriteContext, run: RunEntity): Promise<void> => {
      const status = input.status ?? run.status;
      const isOpen = status === 'RUNNING' || status === 'SCHEDULED';
      const endedAt = new Date(input.end_time ?? run.ended_at?.getTime() ?? Date.now());
      const name = input.run_name === '' ? run.name : input.run_name;
      const wanted = { status, name, ended_at: isOpen ? null : endedAt };
      await tx.manager.update(RunEntity, { id }, wanted);
      if (name !== run.name)
        await writeBatch(tx.manager, id, { params: {}, tags: { [runNameTag]: name }, metrics: [] });
      if (status !== run.status) {
        const before = { status: run.status };
        await tx.audit({ action: 'run.update', subject: `runs/${id}`, before, after: { status } });
        await announceRun(tx.manager, id);
      }
    };
    await this.change(id, caller, change, 'for_no_key_update');
    return { run_info: toRunInfo(await this.row(id)) };
  }

  private async setDeleted(id: string, deletedAt: Date | null, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const lock = { mode: 'pessimistic_write' } as const;
      const run = await tx.manager.findOne(RunEntity, { where: { id }, lock });
      if (run === null) throw runNotFound(id);
      await tx.manager.update(RunEntity, { id }, { deleted_at: deletedAt });
      const action = deletedAt ? 'run.delete' : 'run.restore';
      const before = { deleted_at: run.deleted_at };
      await tx.audit({ action, subject: `runs/${id}`, before, after: { deleted_at: deletedAt } });
    });
  }

  private async log(input: Partial<z.output<typeof Batch>>, caller: Caller): Promise<void> {
    const { metrics = [], params = [], tags = {} } = input;
    if (metrics.length + params.length + Object.keys(tags).length > 1_000)
      throw new SluiceError(
        'INVALID_REQUEST',
        'A batch holds at most 1000 metrics, params and tags together.',
      );
    const id = runIdOf(input);
    const batch = { metrics: metrics.map(toPoint), params: toParams(params), tags };
    const ofModels = metrics.filter(({ model_id }) => model_id !== '');
    const isPlain = params.length === 0 && Object.keys(tags).length === 0 && ofModels.length === 0;
    // One statement is a transaction of its own.
    if (isPlain && (await retryDeadlocks(() => writeMetrics(this.dataSource.manager, id, batch.metrics))))
      return;
    const name = tags[runNameTag] ?? '';
    const write = async (tx: WriteContext): Promise<void> => {
      await writeBatch(tx.manager, id, batch);
      await writeModelMetrics(tx.manager, id, ofModels);
      if (name !== '') await tx.manager.update(RunEntity, { id }, { name });
    };
    await this.change(id, caller, write, name === '' ? 'pessimistic_read' : 'for_no_key_update');
  }

  private async deleteTag(id: string, key: string, caller: Caller): Promise<void> {
    await this.change(id, caller, async (tx) => {
      const deleted = await tx.manager.query<[unknown, number]>(
        'DELETE FROM run_tags WHERE run_id = $1 AND key = $2',
        [id, key],
      );
      if (deleted[1] === 0)
        throw new SluiceError('RUN_NOT_FOUND', `No tag with name: ${key} in run with id ${id}.`);
    });
  }

  /** A model that a client of MLflow 2 logged: its description joins the others in a tag, once. */
  private async logModel(id: string, modelJson: string, caller: Caller): Promise<void> {
    const model = LoggedByTwo.safeParse(parseJson(modelJson));
    if (!model.success)
      throw new SluiceError(
        'INVALID_REQUEST',
        "Invalid value for parameter 'model_json': not a model's JSON.",
      );
    await this.change(id, caller, async (tx) => {
      await tx.manager.query(
        `INSERT INTO run_tags AS t (run_id, key, value) VALUES ($1, $2, jsonb_build_array($3::jsonb)::text)
         ON CONFLICT (run_id, key) DO UPDATE SET value = (t.value::jsonb || excluded.value::jsonb)::text
         WHERE NOT t.value::jsonb @> excluded.value::jsonb`,
        [id, 'mlflow.log-model.history', JSON.stringify(model.data)],
      );
    });
  }

  /** Writers share the run, unless they change its row; a deletion waits for them, and they see it. */
  change(
    id: string,
    caller: Caller,
    work: (tx: WriteContext, run: RunEntity) => Promise<void>,
    mode: 'pessimistic_read' | 'for_no_key_update' = 'pessimistic_read',
  ): Promise<void> {
    return this.transactions.write(caller, async (tx) => {
      const run = await tx.manager.findOne(RunEntity, { where: { id }, lock: { mode } });
      if (run === null) throw runNotFound(id);
      if (run.deleted_at)
        throw new SluiceError(
          'INVALID_REQUEST',
          `The run ${id} must be in the 'active' state; it is deleted.`,
        );
      await work(tx, run);
    });
  }

  private async search(input: z.output<typeof Search>): Promise<object> {
    const { manager } = this.dataSource;
    const experimentIds = await Promise.all(
      input.experiment_ids.map(async (id) => (await this.experiments.find(id)).id),
    );
    const { ids, ...next } = await searchRuns(manager, {
      experimentIds,
      view: viewCondition(input.run_view_type, 'r.deleted_at'),
      filter: input.filter,
      orders: input.order_by,
      pageToken: input.page_token,
      limit: input.max_results,
    });
    const runs = await readMlflowRuns(manager, ids);
    const token = next.next_page_token;
    const page = token === undefined ? '' : `,"next_page_token":${JSON.stringify(token)}`;
    return new JsonText(`{"runs":[${runs.map(toMlflowRun).join(',')}]${page}}`);
  }
}

const toPoint = ({ key, value, step, timestamp }: z.output<typeof Metric>): MetricPoint => ({
  key,
  value,
  step,
  timestamp_ms: timestamp,
});

/** @throws SluiceError PARAM_CONFLICT when a batch gives one param two values */
function toParams(params: readonly z.output<typeof Param>[]): Record<string, string> {
  const record = new Map<string, string>();
  for (const { key, value } of params) {
    if ((record.get(key) ?? value) !== value)
      throw new SluiceError('PARAM_CONFLICT', `The batch gives the param "${key}" two values.`);
    record.set(key, value);
  }
  return Object.fromEntries(record);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
