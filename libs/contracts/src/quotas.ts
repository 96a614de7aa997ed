/** Quotas, and the leases by which gateways spend them. */
import { z } from 'zod';
import { Id, ModelName, Timestamp, pageOf, pageQuery } from './common.js';
import { TeamName } from './teams.js';

/**
 * `rows` are batch items, reserved up to what the body has room for; `bytes` are of the request's body; `compute_ms` is the time in
 * the model, as its node measures it, reserved up to the request's deadline.
 */
export const QuotaUnit = z.enum(['requests', 'rows', 'bytes', 'compute_ms', 'concurrency']);
export type QuotaUnit = z.infer<typeof QuotaUnit>;

/** `second`, `minute` and `hour` begin in UTC, `day` and `month` on the calendar of the team; a `bucket` refills all the time. */
export const QuotaWindow = z.enum(['second', 'minute', 'hour', 'day', 'month', 'bucket']);
export type QuotaWindow = z.infer<typeof QuotaWindow>;

const Mode = z.enum(['enforce', 'shadow']).describe('shadow: counts and reports, refuses nobody');
const Outage = z
  .enum(['deny', 'local_share', 'open'])
  .describe('Without the registry, once the leases are spent: refuse, admit limit / gateways, or admit all');
const Limit = z.int().min(0).max(9_007_199_254_740_991);
const ClientId = z.string().max(255);
const Shares = z
  .array(z.number().gt(0).max(1))
  .max(10)
  .describe(
    'Shares of the limit, such as [0.8, 0.95], at which a `quota.alert` event tells that so much is used',
  );

export const QuotaParams = z.object({ quota_id: Id });

/** A limit on what everybody, a team or a client may use. */
export const Quota = z
  .object({
    id: Id,
    name: z.string().describe('Short; shown in the RateLimit headers'),
    team: TeamName.nullable().describe('null: every team'),
    client_id: z.string().nullable().describe('null: every client'),
    endpoint: ModelName.nullable().describe('null: all endpoints together'),
    unit: QuotaUnit,
    window: QuotaWindow.nullable().describe('null: at any one time, for concurrency'),
    limit: z.int().min(0).describe('Of a bucket: its size'),
    refill_per_second: z.number().nullable().describe('Of a bucket'),
    per_client: z.boolean().describe('Count each client apart, or all together'),
    mode: Mode,
    outage: Outage,
    alert_at: Shares,
    revision: z.int().describe('Grows with each change, override, grant and reset'),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Quota' });
export type Quota = z.infer<typeof Quota>;

export const CreateQuota = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be a short lower-case word'),
    team: TeamName.nullable().default(null),
    client_id: ClientId.nullable().default(null),
    endpoint: ModelName.nullable().default(null),
    unit: QuotaUnit.default('requests'),
    window: QuotaWindow.nullable().default(null),
    limit: Limit,
    refill_per_second: z.number().positive().max(1e9).nullable().default(null),
    per_client: z.boolean().default(true),
    mode: Mode.default('enforce'),
    outage: Outage.optional().describe('Default: deny for day and month, else local_share'),
    alert_at: Shares.default([]),
  })
  .refine(({ unit, window }) => (unit === 'concurrency') === (window === null), {
    path: ['window'],
    error: 'must be given, except for concurrency, which has none',
  })
  .refine(({ window, refill_per_second }) => (window === 'bucket') === (refill_per_second !== null), {
    path: ['refill_per_second'],
    error: 'must be given for a bucket, and only for a bucket',
  })
  .refine(({ team, client_id }) => team === null || client_id === null, {
    path: ['team'],
    error: 'must not be given with client_id: a client belongs to one team',
  })
  .refine(({ window, alert_at }) => alert_at.length === 0 || (window !== null && window !== 'bucket'), {
    path: ['alert_at'],
    error: 'must be empty for buckets and concurrency, which have no window in which use adds up',
  });

export const UpdateQuota = z.strictObject({
  limit: Limit.optional(),
  mode: Mode.optional(),
  outage: Outage.optional(),
  alert_at: Shares.optional(),
});
const WhoseCount = ClientId.optional().describe('Whose count, when each client is counted apart');

export const OverrideQuota = z.strictObject({
  limit: Limit,
  until: Timestamp,
  client_id: ClientId.optional().describe('For this client only; default: for all counts of the quota'),
});
export const RevokeOverride = z.strictObject({
  client_id: ClientId.optional().describe('The override for this client; default: the one for all'),
});
/** Another limit for a time. */
export const QuotaOverride = z
  .object({
    client_id: z.string().nullable().describe('null: for all counts of the quota'),
    limit: z.int().min(0),
    until: Timestamp,
    created_at: Timestamp,
  })
  .meta({ id: 'QuotaOverride' });
export type QuotaOverride = z.infer<typeof QuotaOverride>;
export const QuotaOverrides = z.object({ items: z.array(QuotaOverride) });

/** Data of the event `quota.alert`: once for each share and window. */
export const QuotaAlert = z.object({
  quota: z.string(),
  client_id: z.string().nullable().describe('null: the quota has one count'),
  share: z.number(),
  used: z.int(),
  limit: z.int(),
  window_start: Timestamp,
});
export type QuotaAlert = z.infer<typeof QuotaAlert>;

export const GrantQuota = z.strictObject({
  amount: Limit.min(1).describe('On top of the limit, in the window of the moment only'),
  client_id: WhoseCount,
});
export const ExplainQuotas = z.strictObject({ client_id: ClientId, endpoint: ModelName.optional() });

/** How one count of a limit stands. */
const standing = {
  state: z
    .enum(['open', 'reserved', 'exhausted'])
    .describe('reserved: what is left is in the hands of gateways; exhausted: all of it is used'),
  limit: z.int().describe('That holds now: the quota’s, or that of an override'),
  override_until: Timestamp.nullable().describe('When the override ends; null without one'),
  used: z.int().describe('Less than 0 after an extra grant'),
  reserved: z.int().describe('Held by gateways and not reported as used'),
  left: z.int(),
  resets_at: Timestamp.nullable().describe('null: refills all the time, or frees when requests end'),
};

/** How a limit stands for one caller. */
export const QuotaStanding = z.object({ quota: Quota, ...standing });
export const QuotaExplanation = z
  .object({
    client_id: z.string(),
    team: TeamName,
    denied_by: z.array(z.string()).describe('Names of enforced quotas that are exhausted'),
    quotas: z.array(QuotaStanding),
  })
  .meta({ id: 'QuotaExplanation' });
export type QuotaExplanation = z.infer<typeof QuotaExplanation>;

/** What one gateway process may still spend of a count. */
export const HeldLease = z.object({
  gateway: z.string().describe('`gateway:<id>`, as in the audit log'),
  held: z.int(),
  expires_at: Timestamp.describe('Unless the gateway renews it; then what it holds counts as used'),
  overdue: z
    .boolean()
    .describe(
      'Not renewed in time: the gateway is gone or cannot reach the registry, and goes by the outage policy',
    ),
});
export type HeldLease = z.infer<typeof HeldLease>;

export const QuotaCount = z
  .object({
    client_id: z.string().nullable().describe('Whose; null: the quota has one count'),
    ...standing,
    leases: z.array(HeldLease),
  })
  .meta({ id: 'QuotaCount' });
export type QuotaCount = z.infer<typeof QuotaCount>;
export const ListQuotaCounts = z.strictObject({ ...pageQuery });
export const QuotaCountPage = pageOf(QuotaCount);

export const ListQuotas = z.strictObject({
  ...pageQuery,
  team: TeamName.optional(),
  client_id: ClientId.optional(),
  endpoint: ModelName.optional(),
});
export const QuotaPage = pageOf(Quota);

const Count = z.int().min(0).max(9_007_199_254_740_991);

/** What a gateway did with the block of one limit that it holds, and how much more it wants. */
export const LeaseItem = z.strictObject({
  quota_id: Id,
  key: ClientId.describe('The client, when each client is counted apart'),
  window_start: z.number().describe('Of the window that the block belongs to, in ms; 0 without windows'),
  held: Count.describe('What the gateway believes to hold before this report'),
  spent: Count.describe('Of that, used up for good'),
  released: Count.describe('Of that, given back'),
  need: Count.describe('For requests that wait'),
  want: Count.describe('For requests to come; shrinks near the limit'),
  ahead: Count.default(0).describe('What it wants to hold of the window after this one, all in all'),
});
export type LeaseItem = z.infer<typeof LeaseItem>;

export const maxLeaseItems = 1_000;

export const LeaseCall = z.strictObject({
  holder: Id.describe('Made up by each gateway process at its start: a new process holds nothing'),
  sequence: z
    .int()
    .min(1)
    .describe('Grows with each call; one that is sent again changes nothing and tells what is held'),
  hold_ms: z.int().min(0).max(86_400_000).describe('The longest that a request of this gateway can last'),
  items: z.array(LeaseItem).max(maxLeaseItems).describe('May be empty: each call renews all that is held'),
});
export type LeaseCall = z.infer<typeof LeaseCall>;

export const LeaseGrant = z.object({
  quota_id: Id,
  key: z.string(),
  window_start: z.number(),
  window_end: z.number().nullable().describe('Where the next window starts; null without windows'),
  ends_in_ms: z.number().nullable().describe('Until the window ends'),
  next_ends_in_ms: z.number().nullable().describe('Until the window after it ends'),
  limit: Count.describe('That holds now'),
  held: Count.describe('What the gateway holds after this call'),
  ahead: Count.describe('What it holds of the next window'),
  alerted: z.number().describe('The greatest share of the limit that was told in this window; 0 without'),
  lost: z.boolean().describe('It held nothing before this call, whatever it believes'),
  left: Count.describe('Neither used nor in the hands of any gateway'),
  elsewhere: Count.describe('In the hands of other gateways'),
});
export type LeaseGrant = z.infer<typeof LeaseGrant>;

export const LeaseAnswer = z
  .object({
    lease_ms: z
      .int()
      .describe('How long everything that is held may be spent, from before the call was sent'),
    gateways: z.int().min(1).describe('How many hold leases'),
    grants: z.array(LeaseGrant).describe('No grant: there is no such quota any more'),
  })
  .meta({ id: 'LeaseAnswer' });
export type LeaseAnswer = z.infer<typeof LeaseAnswer>;
