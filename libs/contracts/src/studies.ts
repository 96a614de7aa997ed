/** Hyper-parameter studies: runs that look for the best value of a metric within a search space. */
import { z } from 'zod';
import { Id, Name, Timestamp, pageOf, pageQuery } from './common.js';
import { MetricValue, RunStatus } from './runs.js';

const Key = z
  .string()
  .min(1)
  .max(250)
  .regex(/^[^`"\p{C}]+$/u, 'must not hold quotes or control characters');
const ordered = { error: 'low must not be above high', path: ['low'] };

const FloatDimension = z
  .strictObject({
    type: z.literal('float'),
    low: z.number(),
    high: z.number(),
    log: z.boolean().default(false),
  })
  .refine(({ low, high }) => low <= high, ordered)
  .refine(({ low, log }) => !log || low > 0, {
    error: 'must be above 0 on a logarithmic scale',
    path: ['low'],
  });
const IntDimension = z
  .strictObject({ type: z.literal('int'), low: z.int(), high: z.int(), step: z.int().min(1).default(1) })
  .refine(({ low, high }) => low <= high, ordered);
const ChoiceDimension = z.strictObject({
  type: z.literal('categorical'),
  choices: z.array(z.string().max(6_000)).min(1).max(100),
});
export const SearchSpace = z
  .record(Key, z.discriminatedUnion('type', [FloatDimension, IntDimension, ChoiceDimension]))
  .refine((space) => Object.keys(space).length <= 100, 'at most 100 params');
export type SearchSpace = z.infer<typeof SearchSpace>;

const Objective = z.strictObject({ metric: Key, direction: z.enum(['MINIMIZE', 'MAXIMIZE']) });

export const StudyParams = z.object({ study_id: Id });
export const CreateStudy = z.strictObject({
  experiment: Name.default('Default'),
  name: Name,
  objective: Objective,
  search_space: SearchSpace.default({}),
});

export const Trial = z
  .object({
    run_id: Id,
    name: z.string(),
    status: RunStatus,
    value: MetricValue.nullable().describe('Latest value of the objective; null before the first'),
    params: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Trial' });
export type Trial = z.infer<typeof Trial>;
export const TrialPage = pageOf(Trial);
export const ListTrials = z.strictObject({ ...pageQuery, page_token: z.string().max(40_000).optional() });

export const Study = z
  .object({
    id: Id,
    experiment: Name,
    name: Name,
    objective: Objective,
    search_space: SearchSpace,
    created_at: Timestamp,
    created_by: z.string(),
    best: Trial.nullable().describe('The finished run with the best value'),
  })
  .meta({ id: 'Study' });
export type Study = z.infer<typeof Study>;
export const ListStudies = z.strictObject({ ...pageQuery, experiment: Name.optional() });
export const StudyPage = pageOf(Study);
