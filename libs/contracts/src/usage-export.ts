/** Usage sent on as CloudEvents, in the form that OpenMeter takes. */
import { z } from 'zod';
import { Timestamp } from './common.js';
import { UsageTotals } from './usage.js';

export const PutUsageExport = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .max(2_048)
    .describe('Takes application/cloudevents-batch+json'),
  token: z
    .string()
    .min(1)
    .max(4_096)
    .nullable()
    .default(null)
    .describe('Sent as a bearer token; null: without'),
});

/** Where usage is sent, and how it stands. */
export const UsageExport = z
  .object({
    url: z.string(),
    has_token: z.boolean(),
    waiting: z.int().describe('Events that have not been taken yet'),
    failures: z.int().describe('Attempts in a row'),
    last_error: z.string().nullable(),
    next_attempt_at: Timestamp,
    delivered_at: Timestamp.nullable().describe('When events were last taken'),
    created_at: Timestamp,
  })
  .meta({ id: 'UsageExport' });
export type UsageExport = z.infer<typeof UsageExport>;

/** CloudEvents 1.0. The same `source` and `id` are the same usage, however often they come. */
export const UsageEvent = z.object({
  specversion: z.literal('1.0'),
  id: z.string(),
  source: z.string(),
  type: z.literal('sluice.usage'),
  subject: z.string().describe('The team; the client for tokens that name none'),
  time: Timestamp.describe('The beginning of the hour of the usage'),
  datacontenttype: z.literal('application/json'),
  data: UsageTotals.extend({
    team: z.string(),
    client_id: z.string(),
    endpoint: z.string(),
    version: z.int(),
    outcome: z.string(),
  }),
});
export type UsageEvent = z.infer<typeof UsageEvent>;
