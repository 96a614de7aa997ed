/**
 * External nodes: servers that are not Sluice's own and speak the Open Inference Protocol (Triton, KServe, another node) or TensorFlow
 * Serving's REST. Nobody places anything on them; an administrator says what they serve, and each gateway asks them whether they are ready.
 */
import { z } from 'zod';
import {
  Description,
  Id,
  ModelName,
  Name,
  Tags,
  Timestamp,
  VersionNumber,
  pageOf,
  pageQuery,
} from './common.js';

export const ExternalNodeParams = z.object({ node: Name });

/** A version of ours under the name that the server knows. */
export const ExternalReplica = z
  .strictObject({
    model: ModelName,
    version: VersionNumber,
    served_model: ModelName.describe("The model's name at the server"),
    served_version: Name.nullable()
      .default(null)
      .describe('The version at the server; null: the one that the server chooses'),
  })
  .meta({ id: 'ExternalReplica' });
export type ExternalReplica = z.infer<typeof ExternalReplica>;

/** What a server may speak: the Open Inference Protocol, or TensorFlow Serving's REST. */
export const inferenceProtocols = ['oip', 'tfserving'] as const;
export const InferenceProtocol = z.enum(inferenceProtocols);
export type InferenceProtocol = z.infer<typeof InferenceProtocol>;

export const InferenceProtocols = z
  .array(InferenceProtocol)
  .min(1)
  .refine((protocols) => new Set(protocols).size === protocols.length, 'names a protocol twice');

const isDistinct = (serves: readonly ExternalReplica[]): boolean =>
  new Set(serves.map(({ model, version }) => JSON.stringify([model, version]))).size === serves.length;

const shape = {
  address: z
    .url({ protocol: /^https?$/ })
    .max(2_048)
    .regex(/^https?:\/\/[^/?#@\s]+\/?$/i, 'must be scheme, host and port only')
    .describe('`https://triton.example:8000`'),
  ca_pem: z
    .string()
    .max(262_144)
    .nullable()
    .default(null)
    .describe("Certificates that vouch for the server's; null: those that the gateway trusts for nodes"),
  server_name: z
    .string()
    .min(1)
    .max(253)
    .regex(/^[A-Za-z0-9.-]+$/, 'must be a host name')
    .nullable()
    .default(null)
    .describe("The name in the server's certificate; null: that of the address"),
  protocols: InferenceProtocols.default(['oip']).describe(
    'What the server speaks; callers of another protocol are answered by other nodes',
  ),
  serves: z.array(ExternalReplica).max(1_000).refine(isDistinct, 'names a version twice'),
};

export const PutExternalNode = z.strictObject({
  ...shape,
  authorization: z
    .string()
    .max(8_192)
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'must be a header value')
    .nullable()
    .default(null)
    .describe('Sent to the server as `Authorization`. It is never shown again'),
});
export type PutExternalNode = z.infer<typeof PutExternalNode>;

export const ExternalNode = z
  .object({
    id: Id,
    name: Name,
    ...shape,
    has_authorization: z.boolean(),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'ExternalNode' });
export type ExternalNode = z.infer<typeof ExternalNode>;
export const ListExternalNodes = z.strictObject({ ...pageQuery });
export const ExternalNodePage = pageOf(ExternalNode);

/** What a gateway found when it asked external nodes whether they are ready. What it does not name, it does not know. */
export const ReportExternalReplicas = z.strictObject({
  replicas: z
    .array(z.strictObject({ node_id: Id, model: ModelName, version: VersionNumber, ready: z.boolean() }))
    .max(10_000),
});
export type ReportExternalReplicas = z.infer<typeof ReportExternalReplicas>;

/** A version without files: external nodes alone serve it, so there is nothing that Sluice could check or place. */
export const CreateExternalVersion = z.strictObject({
  description: Description.default(''),
  tags: Tags.default({}),
  default_timeout_ms: z.int().min(1).max(3_600_000).default(30_000),
});
export type CreateExternalVersion = z.infer<typeof CreateExternalVersion>;
