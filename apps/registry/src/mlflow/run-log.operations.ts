/** What MLflow's clients log in a run: metrics, params and tags, single and in batches. Each call may come again and changes nothing then. */
import type { MetricPoint } from '#contracts/runs';
import { MetricValue } from '#contracts/runs';
import { RunEntity } from '#database/entities/run.entity';
import { retryDeadlocks } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { writeMetrics } from '../runs/metric-store.js';
import { writeBatch } from '../runs/run-store.js';
import { Int64, Key, Millis, RunKey, runFields, runIdOf, runNameTag } from './fields.js';
import { writeModelMetrics } from './logged-model-metrics.js';
import { operation } from './operation.js';
import { RunOperations } from './runs.operations.js';

const Run = z.object(runFields);
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

const write = { method: 'POST', access: 'runs:write' } as const;

@Injectable()
export class RunLogOperations {
  readonly operations = [
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
  ];

  constructor(
    private readonly dataSource: DataSource,
    private readonly runs: RunOperations,
  ) {}

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
    await this.runs.change(id, caller, write, name === '' ? 'pessimistic_read' : 'for_no_key_update');
  }

  private async deleteTag(id: string, key: string, caller: Caller): Promise<void> {
    await this.runs.change(id, caller, async (tx) => {
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
    await this.runs.change(id, caller, async (tx) => {
      await tx.manager.query(
        `INSERT INTO run_tags AS t (run_id, key, value) VALUES ($1, $2, jsonb_build_array($3::jsonb)::text)
         ON CONFLICT (run_id, key) DO UPDATE SET value = (t.value::jsonb || excluded.value::jsonb)::text
         WHERE NOT t.value::jsonb @> excluded.value::jsonb`,
        [id, 'mlflow.log-model.history', JSON.stringify(model.data)],
      );
    });
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
