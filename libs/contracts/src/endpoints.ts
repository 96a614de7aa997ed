/** Endpoints and their traffic. */
import { z } from 'zod';
import { AliasName, Id, ModelName, Timestamp, VersionNumber, pageOf, pageQuery } from './common.js';

export const EndpointParams = z.object({ endpoint: ModelName });

/** A version by number, or by alias (followed when the alias moves). */
export const VersionRef = z.union([VersionNumber, AliasName]);
export type VersionRef = z.infer<typeof VersionRef>;

const HeaderName = z
  .string()
  .max(128)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name')
  .toLowerCase();

const ClaimName = z.string().min(1).max(128);
const MatchedValue = z.string().max(1_024).describe('Compared exactly');

const HeaderMatch = z.strictObject({
  header: HeaderName.describe('Case-insensitive'),
  value: MatchedValue,
});
const ClaimMatch = z.strictObject({
  claim: ClaimName.describe('Of the token. A list matches when it holds the value'),
  value: MatchedValue,
});
export const TrafficMatch = z.union([HeaderMatch, ClaimMatch]).meta({ id: 'TrafficMatch' });
export type TrafficMatch = z.infer<typeof TrafficMatch>;

/** One header, or several matches that must all hold. */
export const TrafficRule = z
  .union([
    HeaderMatch.extend({ version: VersionRef }),
    z.strictObject({ match: z.array(TrafficMatch).min(1).max(10), version: VersionRef }),
  ])
  .meta({ id: 'TrafficRule' });
export type TrafficRule = z.infer<typeof TrafficRule>;

export const TrafficWeight = z
  .strictObject({ version: VersionRef, weight: z.number().min(0).max(1_000_000) })
  .meta({ id: 'TrafficWeight' });

/** A copy of a share of the requests for a version that shall be compared, not trusted: nobody waits for its answers. */
export const TrafficShadow = z
  .strictObject({
    version: VersionRef,
    share: z
      .number()
      .gt(0)
      .max(1)
      .describe(
        'Of the requests that other versions answer, but for those that name a version; 0.1 is every tenth',
      ),
  })
  .meta({ id: 'TrafficShadow' });
export type TrafficShadow = z.infer<typeof TrafficShadow>;

/** Rules are tried in order; what no rule takes is split by weight. Weights are relative and need not add up to 100. */
export const Traffic = z
  .strictObject({
    rules: z.array(TrafficRule).max(100).default([]),
    split: z
      .array(TrafficWeight)
      .max(50)
      .refine(
        (split) => split.length === 0 || split.some((share) => share.weight > 0),
        'needs a weight above 0',
      )
      .refine(
        (split) => new Set(split.map((share) => share.version)).size === split.length,
        'names a version twice',
      ),
    sticky: z
      .discriminatedUnion('by', [
        z.strictObject({ by: z.literal('header'), name: HeaderName }),
        z.strictObject({ by: z.literal('claim'), name: ClaimName }),
      ])
      .nullable()
      .default(null)
      .describe('Callers with the same key stay on the same version'),
    shadow: TrafficShadow.nullable().default(null),
    hedge: z
      .boolean()
      .default(false)
      .describe(
        'Ask a second replica when the first takes longer than 95 % of the answers; the first answer counts',
      ),
    max_body_bytes: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .nullable()
      .default(null)
      .describe(
        "Larger bodies are refused with 413; null: the gateway's own limit, which also bounds this one",
      ),
  })
  .meta({ id: 'Traffic' });
export type Traffic = z.infer<typeof Traffic>;

/** What a new endpoint has. */
export const noTraffic: Traffic = Traffic.parse({ split: [] });

export const Endpoint = z
  .object({
    id: Id,
    name: ModelName,
    model: ModelName,
    traffic: Traffic,
    revision: z.int().min(1).describe('Also the ETag; send it back as If-Match to change the traffic'),
    updated_at: Timestamp,
    updated_by: z.string(),
  })
  .meta({ id: 'Endpoint' });
export type Endpoint = z.infer<typeof Endpoint>;

export const CreateEndpoint = z.strictObject({
  name: ModelName,
  model: ModelName,
  traffic: Traffic.optional(),
});
export const ListEndpoints = z.strictObject({ ...pageQuery, model: ModelName.optional() });
export const EndpointPage = pageOf(Endpoint);

export const TrafficRevision = z
  .object({ revision: z.int(), traffic: Traffic, created_at: Timestamp, created_by: z.string() })
  .meta({ id: 'TrafficRevision' });
export const TrafficHistory = pageOf(TrafficRevision);
export const HistoryQuery = z.strictObject({ ...pageQuery });
