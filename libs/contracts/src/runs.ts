/** The training log: experiments, runs, metrics, params and tags. */
import { z } from 'zod';
import { Id, Name, Tags, Timestamp, pageOf, pageQuery } from './common.js';

export const Experiment = z
  .object({ id: Id, name: Name, tags: Tags, created_at: Timestamp })
  .meta({ id: 'Experiment' });
export const CreateExperiment = z.strictObject({ name: Name, tags: Tags.default({}) });
export const ListExperiments = z.strictObject({ ...pageQuery });
export const ExperimentPage = pageOf(Experiment);

export const RunParams = z.object({ run_id: Id });
export const runStatuses = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'] as const;
export const RunStatus = z.enum(runStatuses);
export type RunStatus = z.infer<typeof RunStatus>;

/** JSON has no NaN or infinities, so they travel as the strings MLflow uses. */
export const MetricValue = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]);

export const MetricPoint = z
  .strictObject({
    key: z.string().min(1).max(250),
    value: MetricValue,
    step: z.int().default(0),
    timestamp_ms: z.int().min(0),
  })
  .meta({ id: 'MetricPoint' });
export type MetricPoint = z.infer<typeof MetricPoint>;

export const Run = z
  .object({
    id: Id,
    experiment: Name,
    name: z.string(),
    status: RunStatus,
    params: z.record(z.string(), z.string()),
    metrics: z
      .record(z.string(), MetricPoint)
      .describe('The latest point of each metric: highest step, then time'),
    tags: Tags,
    parent_run_id: Id.nullable().describe(
      'The run that this one is nested in (the tag `mlflow.parentRunId`)',
    ),
    study_id: Id.nullable(),
    started_at: Timestamp,
    ended_at: Timestamp.nullable(),
    created_by: z.string(),
  })
  .meta({ id: 'Run' });
export type Run = z.infer<typeof Run>;

export const CreateRun = z.strictObject({
  experiment: Name.default('Default'),
  name: z.string().min(1).max(255).optional().describe('Default: made up'),
  params: z.record(z.string().min(1).max(250), z.string().max(6_000)).default({}),
  tags: z.record(z.string().min(1).max(250), z.string().max(8_000)).default({}),
  parent_run_id: Id.optional().describe('Nests the run in another one'),
  study_id: Id.optional().describe(
    'Joins a study; the run is then of its experiment, and its params lie in its search space',
  ),
});
export const LogBatch = z.strictObject({
  metrics: z.array(MetricPoint).max(10_000).default([]),
  params: z.record(z.string().min(1).max(250), z.string().max(6_000)).default({}),
  tags: z.record(z.string().min(1).max(250), z.string().max(8_000)).default({}),
});
export type LogBatch = z.infer<typeof LogBatch>;
export const FinishRun = z.strictObject({
  status: z.enum(['FINISHED', 'FAILED', 'KILLED']).default('FINISHED'),
});
export const ListRuns = z.strictObject({
  ...pageQuery,
  experiment: Name.optional(),
  status: RunStatus.optional(),
  parent_run_id: Id.optional().describe('Only runs that are nested in this one'),
});
export const RunPage = pageOf(Run);
export const MetricHistoryQuery = z.strictObject({
  key: z.string().min(1).max(250),
  page_size: z.coerce.number().int().min(1).max(25_000).default(1_000),
  page_token: z.string().max(2_048).optional(),
});
export const MetricHistory = pageOf(MetricPoint);

const Step = z.coerce.number().int();
export const MetricSampleQuery = z.strictObject({
  key: z.string().min(1).max(250),
  max_points: z.coerce.number().int().min(10).max(10_000).default(1_000),
  start_step: Step.optional(),
  end_step: Step.optional(),
});
export const MetricSample = z.object({
  points: z
    .array(MetricPoint)
    .describe('By step and time. A wide range is widened to whole blocks of 128 steps'),
  is_sampled: z
    .boolean()
    .describe('Points were left out; the lowest and the highest of each part, and a NaN of it, are there'),
});
export type MetricSample = z.infer<typeof MetricSample>;

export const ListSeries = z.strictObject({
  ...pageQuery,
  prefix: z
    .string()
    .max(250)
    .default('')
    .describe('Only metrics whose key begins so: `system/` for what the machine did'),
});
export const SeriesPage = pageOf(MetricPoint);

const maxCompared = 50;
export const CompareRuns = z.strictObject({
  run_ids: z
    .string()
    .max(40 * maxCompared)
    .transform((text) => text.split(','))
    .pipe(z.array(Id).min(1).max(maxCompared))
    .describe(`Ids of up to ${maxCompared} runs, with commas between`),
});
const compared = <T extends z.ZodType>(value: T) =>
  z.array(
    z.object({
      key: z.string(),
      values: z.array(value.nullable()).describe('One per run, in their order; null where a run has none'),
      differs: z.boolean(),
    }),
  );
export const RunComparison = z
  .object({
    runs: z.array(z.object({ id: Id, name: z.string(), experiment: Name, status: RunStatus })),
    params: compared(z.string()),
    metrics: compared(MetricValue).describe('Latest values, without those of `system/`'),
  })
  .meta({ id: 'RunComparison' });
export type RunComparison = z.infer<typeof RunComparison>;

/** Tags that carry what MLflow's clients know as tags too. */
export const parentRunTag = 'mlflow.parentRunId';
export const studyTag = 'sluice.study';
