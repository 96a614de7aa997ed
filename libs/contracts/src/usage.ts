/** What was used, by whom: counted by gateways, summed by the hour, priced by the month. */
import { z } from 'zod';
import { Id, ModelName, Name, Timestamp } from './common.js';

const count = z.int().min(0).max(9_007_199_254_740_991);

export const usageUnits = ['requests', 'rows', 'request_bytes', 'response_bytes', 'compute_us'] as const;
export const UsageUnit = z.enum(usageUnits);
export type UsageUnit = z.infer<typeof UsageUnit>;

const amounts = {
  requests: count,
  rows: count.describe('Batch items that nodes have answered'),
  request_bytes: count,
  response_bytes: count,
  compute_us: count.describe(
    'Microseconds in the model, as nodes measure them; a batch is shared by its rows',
  ),
};

/** Of one request, or of many. */
export const UsageTotals = z.object(amounts);
export type UsageTotals = z.infer<typeof UsageTotals>;

/** One sum. */
export const UsageRow = z.strictObject({
  hour: Timestamp.describe('Its beginning'),
  team: z.string().max(255).describe('Empty for tokens that name none'),
  client_id: z.string().max(255),
  endpoint: z.string().max(255),
  version: z.int().min(0).describe('0 when none was chosen'),
  outcome: z.string().max(100).describe('OK or an error code'),
  ...amounts,
});
export type UsageRow = z.infer<typeof UsageRow>;

/** A gateway sends one batch at a time and repeats it until it is taken; what was taken before changes nothing. */
export const UsageBatch = z
  .strictObject({
    source: Id.describe('Of the gateway’s spool'),
    sequence: z.int().min(1),
    rows: z.array(UsageRow).min(1).max(2_000),
    balance: z
      .strictObject({
        served: UsageTotals.describe('All that the gateway has counted under this source'),
        waiting: UsageTotals.describe('Of that, what is still to be sent after this batch'),
        lost: UsageTotals.describe('Of that, what found no room while the registry was away'),
      })
      .optional()
      .describe('By which the reconciliation proves that nothing was lost or counted twice'),
  })
  .meta({ id: 'UsageBatch' });
export type UsageBatch = z.infer<typeof UsageBatch>;
export const UsageReceipt = z.object({ last_sequence: z.int() }).meta({ id: 'UsageReceipt' });
export type UsageReceipt = z.infer<typeof UsageReceipt>;

export const usageGroups = [
  'month',
  'day',
  'hour',
  'team',
  'client_id',
  'endpoint',
  'version',
  'outcome',
] as const;
export type UsageGroup = (typeof usageGroups)[number];

const Groups = z
  .string()
  .default('endpoint')
  .transform((text) => [...new Set(text.split(',').filter(Boolean))])
  .pipe(z.array(z.enum(usageGroups)).max(usageGroups.length))
  .describe(`Any of ${usageGroups.join(', ')}, separated by commas; times are UTC`);

export const GetUsage = z
  .strictObject({
    from: Timestamp,
    to: Timestamp.describe('Exclusive'),
    group_by: Groups,
    team: z.string().max(255).optional(),
    client_id: z.string().max(255).optional(),
    endpoint: z.string().max(255).optional(),
    outcome: z.string().max(100).optional(),
  })
  .refine(({ from, to }) => from < to, { error: 'must be before `to`', path: ['from'] });

/** The sums of one group; the fields that were not asked for are absent. */
export const UsageSum = z
  .object({
    month: z.string().optional(),
    day: z.string().optional(),
    hour: z.string().optional(),
    team: z.string().optional(),
    client_id: z.string().optional(),
    endpoint: z.string().optional(),
    version: z.int().optional(),
    outcome: z.string().optional(),
    ...amounts,
  })
  .meta({ id: 'UsageSum' });
export type UsageSum = z.infer<typeof UsageSum>;
export const UsageSums = z.object({ items: z.array(UsageSum) });

const decimal = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,9})?$/, 'must be a decimal number')
  .describe('As text, so that nothing is rounded');

/** A price holds from its time on, until a later one for the same endpoint and unit. One of an endpoint goes before one for all. */
export const Price = z
  .object({
    id: Id,
    endpoint: ModelName.nullable().describe('null: every endpoint without a price of its own'),
    unit: UsageUnit,
    currency: z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code'),
    price_per_million: decimal,
    valid_from: Timestamp,
    created_at: Timestamp,
  })
  .meta({ id: 'Price' });
export type Price = z.infer<typeof Price>;
export const CreatePrice = z.strictObject({
  endpoint: ModelName.nullable().default(null),
  unit: UsageUnit,
  currency: Price.shape.currency,
  price_per_million: decimal,
  valid_from: Timestamp,
});
export const PriceList = z.object({ items: z.array(Price) });

export const StatementParams = z.object({
  team: Name,
  month: z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'must be a month such as 2026-11'),
});
export const Statement = z
  .object({
    team: z.string(),
    month: z
      .string()
      .describe('In the team’s time zone; hours that it shares with another month count where they begin'),
    time_zone: z.string(),
    lines: z.array(
      z.object({
        endpoint: z.string(),
        unit: UsageUnit,
        quantity: count,
        price_per_million: decimal,
        currency: z.string(),
        amount: z.string(),
      }),
    ),
    totals: z.array(z.object({ currency: z.string(), amount: z.string() })),
  })
  .meta({ id: 'Statement' });
export type Statement = z.infer<typeof Statement>;
