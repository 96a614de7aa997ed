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
