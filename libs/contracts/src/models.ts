/** Models, versions and configs. */
import { z } from 'zod';
import {
  AliasName,
  Description,
  Id,
  ModelName,
  Name,
  Sha256,
  Tags,
  Timestamp,
  VersionNumber,
  VersionNumberText,
  pageOf,
  pageQuery,
} from './common.js';
import { RetentionRule } from './retention.js';
import { Profile, Signature } from './tensors.js';

export const ModelParams = z.object({ model: ModelName });
export const VersionParams = z.object({ model: ModelName, version: VersionNumberText });

export const Model = z
  .object({
    id: Id,
    name: ModelName,
    description: Description,
    tags: Tags,
    aliases: z.record(AliasName, VersionNumber),
    latest_version: VersionNumber.nullable(),
    retention: RetentionRule.nullable().describe('Which versions may go by themselves'),
    archived_at: Timestamp.nullable(),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Model' });
export type Model = z.infer<typeof Model>;

export const CreateModel = z.strictObject({
  name: ModelName,
  description: Description.default(''),
  tags: Tags.default({}),
});
export const UpdateModel = z.strictObject({
  description: Description.optional(),
  tags: Tags.optional().describe('Replaces all tags'),
});
export const UpdateVersion = z.strictObject({
  description: Description.optional(),
  tags: Tags.optional().describe('Replaces all tags'),
});
export const ListModels = z.strictObject({
  ...pageQuery,
  name_contains: z.string().max(255).optional(),
  tag: z.string().max(5_300).optional().describe('`key` or `key=value`'),
  archived: z.enum(['true', 'false', 'any']).default('false'),
});
export const ModelPage = pageOf(Model);

/** `graph_optimization` and the thread counts are ONNX Runtime's session options. */
export const VersionConfig = z
  .strictObject({
    replicas: z
      .int()
      .min(1)
      .max(100)
      .default(2)
      .describe('Nodes that hold the version while it gets traffic'),
    instances: z
      .int()
      .min(1)
      .max(64)
      .nullable()
      .default(null)
      .describe('Runner processes per node; null: from its cores'),
    intra_op_threads: z
      .int()
      .min(1)
      .max(128)
      .nullable()
      .default(null)
      .describe('Threads of each runner, at most its share of the cores; null: that share'),
    graph_optimization: z.enum(['disabled', 'basic', 'extended', 'all']).default('all'),
    max_batch_size: z.int().min(1).max(4_096).nullable().default(null).describe('null: measured'),
    max_queue_delay_us: z.int().min(0).max(10_000_000).default(0),
    max_queue_size: z.int().min(1).max(100_000).default(1_024),
    default_timeout_ms: z.int().min(1).max(3_600_000).default(30_000),
    warmup: z.boolean().default(true),
    pinned: z.boolean().default(false).describe('Never evicted from memory'),
  })
  .meta({ id: 'VersionConfig' });
export type VersionConfig = z.infer<typeof VersionConfig>;

export const ConfigRevision = z
  .object({ revision: z.int().min(1), config: VersionConfig, created_at: Timestamp, created_by: z.string() })
  .meta({ id: 'ConfigRevision' });
export type ConfigRevision = z.infer<typeof ConfigRevision>;
export const ConfigPage = pageOf(ConfigRevision);

export const versionStatuses = ['PENDING', 'READY', 'FAILED'] as const;
export const VersionStatus = z.enum(versionStatuses);
export type VersionStatus = z.infer<typeof VersionStatus>;

/** A relative POSIX path inside a version: no empty, `.` or `..` segment, no backslash or control character. */
export const FilePath = z
  .string()
  .min(1)
  .max(1_024)
  .regex(/^[^\\\p{C}]+$/u, 'must not hold backslashes or control characters')
  .refine(
    (path) => path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..'),
    'must be a relative path without empty, "." or ".." segments',
  );

export const VersionFile = z
  .object({ path: FilePath, sha256: Sha256, size_bytes: z.int().min(0) })
  .meta({ id: 'VersionFile' });
export type VersionFile = z.infer<typeof VersionFile>;

export const Version = z
  .object({
    id: Id,
    model: ModelName,
    version: VersionNumber,
    status: VersionStatus,
    status_reason: z.string().nullable(),
    description: Description,
    tags: Tags,
    aliases: z.array(AliasName),
    files: z.array(VersionFile),
    entry_file: FilePath.or(z.literal('')).describe('The .onnx file that is loaded; empty when external'),
    external: z.boolean().describe('Has no files: external nodes alone serve it'),
    signature: Signature.nullable(),
    profile: Profile.nullable(),
    config: ConfigRevision,
    run_id: Id.nullable(),
    held: z.boolean().describe('Kept on a node even while nothing refers to it; unload ends that'),
    archived_at: Timestamp.nullable(),
    created_at: Timestamp,
    created_by: z.string(),
  })
  .meta({ id: 'Version' });
export type Version = z.infer<typeof Version>;

/** A signature over the manifest of a version. */
export const Attest = z.strictObject({
  key: Name.describe('Name of a trusted key'),
  signature: z
    .string()
    .regex(/^[A-Za-z0-9+/]{86}==$/, 'must be an ed25519 signature in base64')
    .describe('ed25519 over the bytes of the manifest, base64'),
});

/** The JSON part named `metadata` of a multipart upload. */
export const CreateVersion = z.strictObject({
  description: Description.default(''),
  tags: Tags.default({}),
  run_id: Id.optional(),
  entry_file: FilePath.optional().describe('Default: the only .onnx file'),
  config: VersionConfig.prefault({}),
  files: z
    .record(FilePath, Sha256)
    .optional()
    .describe('Expected digests; an upload with other bytes is refused'),
  attestation: Attest.optional(),
});
export type CreateVersion = z.infer<typeof CreateVersion>;

/** Query of a single streamed body, which has no metadata part. */
export const UploadQuery = z.strictObject({
  path: FilePath.default('model.onnx').describe('Name of the file when the body is the file itself'),
  description: Description.optional(),
  run_id: Id.optional(),
});

export const ListVersions = z.strictObject({
  ...pageQuery,
  status: VersionStatus.optional(),
  archived: z.enum(['true', 'false', 'any']).default('false'),
});
export const VersionPage = pageOf(Version);
export const DownloadQuery = z.strictObject({
  path: FilePath.optional().describe('Default: the entry file'),
});
