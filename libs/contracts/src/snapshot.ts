/** The immutable routing table that the registry publishes and gateways follow. */
import { z } from 'zod';
import { AliasName, Id, ModelName, Sha256, Timestamp, VersionNumber } from './common.js';
import { Client, Jwks } from './clients.js';
import { Traffic } from './endpoints.js';
import { InferenceProtocols } from './external-nodes.js';
import { SnapshotIssuer } from './issuers.js';
import { Quota } from './quotas.js';
import { Team } from './teams.js';

/** `serves` is there for external nodes: under which name they know the version. They are not known to be ready: each gateway asks. */
export const SnapshotReplica = z.object({
  node_id: Id,
  address: z.url(),
  serves: z.object({ model: ModelName, version: z.string().nullable() }).optional(),
});
export type SnapshotReplica = z.infer<typeof SnapshotReplica>;

export const SnapshotVersion = z.object({
  version: VersionNumber,
  default_timeout_ms: z.int(),
  row_bytes: z
    .number()
    .nullable()
    .default(null)
    .describe('The fewest bytes that one row can take in a body; null: a request is one row'),
  replicas: z
    .array(SnapshotReplica)
    .describe('READY replicas on nodes that hold their lease, and external nodes'),
});
export type SnapshotVersion = z.infer<typeof SnapshotVersion>;

/** How to speak to a server that is not Sluice's own. */
export const SnapshotExternalNode = z.object({
  node_id: Id,
  authorization: z.string().nullable(),
  ca_pem: z.string().nullable(),
  server_name: z.string().nullable(),
  protocols: InferenceProtocols.default(['oip']),
});
export type SnapshotExternalNode = z.infer<typeof SnapshotExternalNode>;

/** Only READY, unarchived versions are listed. */
export const SnapshotModel = z.object({
  name: ModelName,
  aliases: z.record(AliasName, VersionNumber),
  versions: z.array(SnapshotVersion),
});
export type SnapshotModel = z.infer<typeof SnapshotModel>;

export const SnapshotEndpoint = z.object({ name: ModelName, model: ModelName, traffic: Traffic });
export type SnapshotEndpoint = z.infer<typeof SnapshotEndpoint>;

/** The defaults are for snapshots that an earlier version saved. */
export const SnapshotQuota = Quota.omit({ created_at: true, updated_at: true, alert_at: true }).extend({
  team: Quota.shape.team.default(null),
  unit: Quota.shape.unit.default('requests'),
  refill_per_second: Quota.shape.refill_per_second.default(null),
  mode: Quota.shape.mode.default('enforce'),
  outage: Quota.shape.outage.default('deny'),
  revision: Quota.shape.revision.default(1),
});
export type SnapshotQuota = z.infer<typeof SnapshotQuota>;

export const SnapshotTeam = Team.pick({ name: true, time_zone: true });
export type SnapshotTeam = z.infer<typeof SnapshotTeam>;

/** What narrows a client beyond the scopes of its token. */
export const SnapshotClientLimit = Client.pick({
  client_id: true,
  endpoints: true,
  expires_at: true,
  tokens_valid_from: true,
});
export type SnapshotClientLimit = z.infer<typeof SnapshotClientLimit>;

/** An API token as gateways know it: what it allows by now, without the token itself. */
export const SnapshotApiToken = z.object({
  id: Id,
  hash: Sha256.describe('Of the token'),
  subject: z.string(),
  client_id: z.string().nullable(),
  team: z.string(),
  scopes: z.array(z.string()),
  expires_at: Timestamp.nullable(),
});
export type SnapshotApiToken = z.infer<typeof SnapshotApiToken>;

export const Snapshot = z
  .object({
    revision: z.int().describe('Grows with every change; equal revisions mean equal contents'),
    issuer: z.string(),
    audience: z.string(),
    jwks: Jwks,
    disabled_clients: z
      .array(z.string())
      .describe('client_ids, and subjects of people, whose tokens are refused'),
    revoked_sessions: z
      .array(z.string())
      .default([])
      .describe('Sessions that were ended; `sid` in their tokens'),
    issuers: z.array(SnapshotIssuer).default([]).describe('Outside issuers and their keys'),
    api_tokens: z.array(SnapshotApiToken).default([]).describe('Those that are neither revoked nor over'),
    teams: z.array(SnapshotTeam).default([]),
    client_limits: z
      .array(SnapshotClientLimit)
      .default([])
      .describe(
        'Clients with an endpoint allow-list, an expiry or revoked tokens; people with revoked tokens',
      ),
    models: z.array(SnapshotModel),
    external_nodes: z.array(SnapshotExternalNode).default([]),
    endpoints: z.array(SnapshotEndpoint),
    quotas: z.array(SnapshotQuota),
  })
  .meta({ id: 'Snapshot' });
export type Snapshot = z.infer<typeof Snapshot>;

/** Server-sent events of `GET /api/v1/snapshot/stream`: event `snapshot`, data a whole Snapshot, id its revision; a comment line every 5 s. */
export const snapshotEvent = 'snapshot';
