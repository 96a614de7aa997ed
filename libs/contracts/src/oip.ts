/** Bodies of the Open Inference Protocol v2 over REST. Tensor data is not described here: a runner decodes it. */
import { z } from 'zod';
import { TensorSpec } from './tensors.js';

export const ServerMetadata = z.object({
  name: z.string(),
  version: z.string(),
  extensions: z.array(z.string()),
});
export type ServerMetadata = z.infer<typeof ServerMetadata>;

/** The protocol's extensions that a node speaks, under the names that Triton gives them. */
export const nodeExtensions = [
  'binary_tensor_data',
  'classification',
  'model_configuration',
  'parameters',
  'schedule_policy',
  'statistics',
] as const;
/** The gateway's: it passes on what nodes speak, and maps the repository calls to the registry. */
export const gatewayExtensions = [...nodeExtensions, 'model_repository'] as const;

/** Triton's calls that neither has, and the answer to them. */
const unsupportedCalls: readonly (readonly [path: RegExp, detail: string])[] = [
  [
    /^\/v2\/(?:models\/.+\/)?trace\/setting$/,
    'Trace settings are not supported. The metrics say where the time of requests goes.',
  ],
  [/^\/v2\/logging$/, 'Log settings are not supported: they are set when a program starts.'],
  [
    /^\/v2\/(?:system|cuda)sharedmemory(?:\/.*)?$/,
    'Shared memory is not supported. Send tensors in the body, in binary where they are large.',
  ],
];

/** Why a path of Triton's protocol is refused although it exists there; undefined for any other path. */
export const unsupportedDetail = (path: string): string | undefined =>
  unsupportedCalls.find(([pattern]) => pattern.test(path))?.[1];

export const ModelMetadata = z.object({
  name: z.string(),
  versions: z.array(z.string()).optional(),
  platform: z.string(),
  inputs: z.array(TensorSpec),
  outputs: z.array(TensorSpec),
});
export type ModelMetadata = z.infer<typeof ModelMetadata>;

/** The error body of every inference path; the stable code is in the `x-sluice-code` header. */
export const InferenceError = z.object({ error: z.string() });
export type InferenceError = z.infer<typeof InferenceError>;

/** Headers that Sluice's own programs add; a caller's copies are dropped. */
export const sluiceHeaders = {
  requestId: 'x-request-id',
  version: 'x-sluice-version',
  deadlineMs: 'x-sluice-deadline-ms',
  node: 'x-sluice-node',
  /**
   * From node to gateway, with commas: microseconds in the queue; of decoding, running and encoding; rows (batch items) of the request;
   * microseconds of the model's time that are its own, for a batch is shared by its rows.
   */
  timing: 'x-sluice-timing',
  /** From node to gateway: how many requests of the version it has beside the one that it answers. */
  load: 'x-sluice-load',
  /** Marks copies whose answers nobody gets. */
  shadow: 'x-sluice-shadow',
  /** Which quota refused, in numbers. */
  quota: 'x-sluice-quota',
  /** While the ledger cannot be reached: which policy holds in its place, for each quota. */
  quotaOutage: 'x-sluice-quota-outage',
} as const;
