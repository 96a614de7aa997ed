/** Data and models that runs read: MLflow's `log-inputs`, and what of it an experiment has. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { ExperimentOperations, experimentIdOf } from './experiments.operations.js';
import { runFields, runIdOf } from './fields.js';
import { LoggedModelOperations } from './logged-models.operations.js';
import { operation } from './operation.js';
import { RunOperations } from './runs.operations.js';

const Dataset = z.object({
  name: z.string().min(1).max(500),
  digest: z.string().min(1).max(36),
  source_type: z.string().min(1).max(500),
  source: z.string().max(65_535),
  schema: z.string().max(1_048_575).optional(),
  profile: z.string().max(16_777_215).optional(),
});
const InputTag = z.object({ key: z.string().min(1).max(255), value: z.string().max(500) });
const LogInputs = z.object({
  ...runFields,
  datasets: z
    .array(z.object({ tags: z.array(InputTag).max(100).default([]), dataset: Dataset }))
    .max(1_000)
    .default([]),
  models: z
    .array(z.object({ model_id: z.string() }))
    .max(1_000)
    .default([]),
});
type DatasetInput = z.output<typeof LogInputs>['datasets'][number];
const Outputs = z.object({
  ...runFields,
  models: z
    .array(z.object({ model_id: z.string(), step: z.coerce.number().int().default(0) }))
    .max(1_000)
    .default([]),
});
const SearchDatasets = z.object({ experiment_ids: z.array(z.string()).min(1).max(1_000) });

const write = { method: 'POST', access: 'runs:write' } as const;
const maxSummaries = 1_000;

@Injectable()
export class DatasetOperations {
  readonly operations = [
    operation({ ...write, path: 'runs/log-inputs', input: LogInputs }, async (input, caller) => {
      const models = input.models.map((model) => ({ ...model, step: 0 }));
      await this.log(runIdOf(input), { datasets: input.datasets, models, areOutputs: false }, caller);
    }),
    operation({ ...write, path: 'runs/outputs', input: Outputs }, (input, caller) =>
      this.log(runIdOf(input), { datasets: [], models: input.models, areOutputs: true }, caller),
    ),
    operation(
      { ...write, access: 'runs:read', path: 'experiments/search-datasets', input: SearchDatasets },
      (input) => this.search(input.experiment_ids),
    ),
  ];

  constructor(
    private readonly dataSource: DataSource,
    private readonly experiments: ExperimentOperations,
    private readonly runs: RunOperations,
    private readonly loggedModels: LoggedModelOperations,
  ) {}

  private async log(
    runId: string,
    inputs: {
      readonly datasets: readonly DatasetInput[];
      readonly models: readonly { readonly model_id: string; readonly step: number }[];
      readonly areOutputs: boolean;
    },
    caller: Caller,
  ): Promise<void> {
    const models = await Promise.all(
      inputs.models.map(async ({ model_id, step }) => ({
        id: (await this.loggedModels.find(model_id)).id,
        step,
      })),
    );
    await this.runs.change(runId, caller, async (tx, run) => {
      await writeDatasets(tx.manager, run, inputs.datasets);
      await tx.manager.query(
        `INSERT INTO run_models (run_id, logged_model_id, is_output, step)
         SELECT $1, id, $2, step FROM unnest($3::uuid[], $4::int8[]) AS m(id, step) ORDER BY id
         ON CONFLICT DO NOTHING`,
        [runId, inputs.areOutputs, models.map(({ id }) => id), models.map(({ step }) => step)],
      );
    });
  }

  private async search(experimentIds: readonly string[]): Promise<object> {
    const experiments = await Promise.all(experimentIds.map((id) => this.experiments.find(id)));
    const shownId = new Map(experiments.map((experiment) => [experiment.id, experimentIdOf(experiment)]));
    const rows = await this.dataSource.manager.query<
      { experiment_id: string; name: string; digest: string; context: string | null }[]
    >(
      `SELECT DISTINCT d.experiment_id, d.name, d.digest, i.tags ->> 'mlflow.data.context' AS context
       FROM datasets d JOIN run_datasets i ON i.dataset_id = d.id
       WHERE d.experiment_id = ANY($1::uuid[]) ORDER BY d.name, d.digest, context LIMIT ${maxSummaries}`,
      [[...shownId.keys()]],
    );
    return {
      dataset_summaries: rows.map(({ experiment_id, context, ...row }) => ({
        experiment_id: shownId.get(experiment_id),
        ...row,
        ...(context === null ? {} : { context }),
      })),
    };
  }
}

/** A dataset that is known by its name and digest stays as it is, and so does a run's use of it. */
async function writeDatasets(
  manager: EntityManager,
  run: { readonly id: string; readonly experiment_id: string },
  inputs: readonly DatasetInput[],
): Promise<void> {
  if (inputs.length === 0) return;
  const rows = inputs.map(({ dataset, tags }) => ({
    ...dataset,
    id: uuidv7(),
    tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])),
  }));
  const given = `jsonb_to_recordset($1::jsonb) AS g(id uuid, name text, digest text, source_type text, source text,
    schema text, profile text, tags jsonb)`;
  await manager.query(
    `INSERT INTO datasets (id, experiment_id, name, digest, source_type, source, schema, profile)
     SELECT id, $2, name, digest, source_type, source, schema, profile FROM ${given} ORDER BY name, digest, id
     ON CONFLICT DO NOTHING`,
    [JSON.stringify(rows), run.experiment_id],
  );
  await manager.query(
    `INSERT INTO run_datasets (run_id, dataset_id, tags)
     SELECT DISTINCT ON (d.id) $3::uuid, d.id, g.tags FROM ${given}
     JOIN datasets d ON d.experiment_id = $2 AND d.name = g.name AND d.digest = g.digest ORDER BY d.id, g.id
     ON CONFLICT DO NOTHING`,
    [JSON.stringify(rows), run.experiment_id, run.id],
  );
}
