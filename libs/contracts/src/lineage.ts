/** Lineage: from the run that made a version to the endpoints that serve it, and back. */
import { z } from 'zod';
import { AliasName, Id, ModelName, VersionNumber, VersionNumberText } from './common.js';
import { VersionStatus } from './models.js';
import { RunStatus } from './runs.js';

export const LineageQuery = z
  .strictObject({
    run_id: Id.optional(),
    model: ModelName.optional(),
    version: VersionNumberText.optional().describe('Of the model; without it, all of its versions'),
    endpoint: ModelName.optional(),
  })
  .refine(
    ({ run_id: run, model, endpoint }) =>
      [run, model, endpoint].filter((one) => one !== undefined).length === 1,
    'needs one of run_id, model and endpoint',
  )
  .refine(({ model, version }) => version === undefined || model !== undefined, 'version needs model');
export type LineageQuery = z.output<typeof LineageQuery>;

/** The edges are `versions[].run_id` and `endpoints[].targets`. */
export const Lineage = z
  .object({
    runs: z
      .array(z.object({ id: Id, name: z.string(), experiment: z.string(), status: RunStatus }))
      .describe('Empty without the scope runs:read'),
    versions: z
      .array(
        z.object({
          model: ModelName,
          version: VersionNumber,
          status: VersionStatus,
          run_id: Id.nullable(),
          aliases: z.array(AliasName),
          archived: z.boolean(),
        }),
      )
      .describe('Newest first, at most 1,000'),
    endpoints: z
      .array(
        z.object({
          name: ModelName,
          model: ModelName,
          targets: z.array(
            z.object({
              version: VersionNumber,
              alias: AliasName.nullable().describe('By which the traffic names the version'),
            }),
          ),
        }),
      )
      .describe('With traffic to these versions; empty without the scope endpoints:read'),
  })
  .meta({ id: 'Lineage' });
export type Lineage = z.infer<typeof Lineage>;
