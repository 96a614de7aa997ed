/** What front and runner say to each other: the kinds of frames and the JSON of the few that carry any. */
import type { ErrorCode } from '#contracts/errors';
import type { VersionConfig } from '#contracts/models';
import type { Profile, Signature } from '#contracts/tensors';

/** Front → runner. */
export const toRunner = {
  /** JSON {@link LoadMessage}. */
  load: 1,
  /** u32 milliseconds left, then the body of an Open Inference Protocol JSON request. */
  inferJson: 2,
  /** Nobody waits any more: skip the request if it has not begun. */
  cancel: 3,
} as const;

/** Runner → front. */
export const fromRunner = {
  /** JSON {@link LoadedMessage}. */
  loaded: 1,
  /** JSON {@link LoadFailedMessage}; the runner ends itself. */
  loadFailed: 2,
  /** The body of the answer. */
  result: 3,
  /** JSON {@link FailureMessage}. */
  failure: 4,
  /** The request was skipped. */
  skipped: 5,
  /** The model is open; the warm-up begins. */
  opened: 6,
} as const;

export interface LoadMessage {
  readonly model: string;
  readonly version: string;
  /** Path of the .onnx file; its external data lies beside it. */
  readonly entryPath: string;
  readonly config: Pick<VersionConfig, 'intra_op_threads' | 'graph_optimization' | 'warmup'>;
}

export interface LoadedMessage {
  readonly signature: Signature;
  readonly profile: Profile;
  /** Why the warm-up run did not succeed; null when it did or was switched off. */
  readonly warmupSkipped: string | null;
}

export interface LoadFailedMessage {
  readonly reason: string;
  /** The model itself is bad. */
  readonly permanent: boolean;
}

/** An inference that the runner answered with an error. */
export interface FailureMessage {
  readonly code: ErrorCode;
  readonly message: string;
}

export const encodeMessage = (message: object): Buffer => Buffer.from(JSON.stringify(message));

/** Both ends are this program's own build, so the reader may name the type. */
export const decodeMessage = (payload: Buffer): unknown => JSON.parse(payload.toString('utf8'));
