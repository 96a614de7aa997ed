/** What front and runner say to each other: the kinds of frames and the JSON of the few that carry any. */
import type { ErrorCode } from '#contracts/errors';
import type { VersionConfig } from '#contracts/models';
import type { Profile, Signature } from '#contracts/tensors';
import type { Protocol } from '#inference/codec';
import type { CodecLimits } from '#inference/limits';

/** Front → runner. */
export const toRunner = {
  /** JSON {@link LoadMessage}. */
  load: 1,
  /** An {@link InferHead}, then the body of the request. */
  infer: 2,
  /** Nobody waits any more: skip the request if it has not begun. */
  cancel: 3,
} as const;

/** Runner → front. */
export const fromRunner = {
  /** JSON {@link LoadedMessage}. */
  loaded: 1,
  /** JSON {@link LoadFailedMessage}; the runner ends itself. */
  loadFailed: 2,
  /** A {@link ResultHead}, then the body of the answer. */
  result: 3,
  /** JSON {@link FailureMessage}. */
  failure: 4,
  /** The request was skipped. */
  skipped: 5,
  /** The model is open; the warm-up begins. */
  opened: 6,
  /** JSON {@link MemoryMessage}. */
  memory: 7,
  /** f64: milliseconds from its submission that a request turned out to have, fewer than its head says. */
  timeout: 8,
} as const;

export interface LoadMessage {
  readonly model: string;
  readonly version: string;
  /** Path of the .onnx file; its external data lies beside it. */
  readonly entryPath: string;
  readonly limits: CodecLimits;
  readonly config: Pick<
    VersionConfig,
    'graph_optimization' | 'warmup' | 'max_batch_size' | 'max_queue_delay_us' | 'default_timeout_ms'
  > & { readonly intra_op_threads: number };
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

export interface MemoryMessage {
  readonly rss_bytes: number;
}

export const protocols: readonly Protocol[] = ['oip', 'predict', 'classify', 'regress'];

export interface InferHead {
  /** By the machine's clock: how long a request has waited counts also where its runner could not read it. */
  readonly submittedMs: number;
  readonly timeoutMs: number;
  readonly protocol: Protocol;
  readonly headerLength: number | undefined;
}

export const inferHeadBytes = 20;
const absent = 0xffff_ffff;

/** u32 timeoutMs, u8 protocol, 3 bytes 0, u32 headerLength, f64 submittedMs. */
export function encodeInferHead({ submittedMs, timeoutMs, protocol, headerLength }: InferHead): Buffer {
  const head = Buffer.allocUnsafe(inferHeadBytes);
  head.writeUInt32LE(Math.min(absent, Math.max(0, Math.ceil(timeoutMs))), 0);
  head.writeUInt32LE(protocols.indexOf(protocol), 4);
  head.writeUInt32LE(headerLength ?? absent, 8);
  head.writeDoubleLE(submittedMs, 12);
  return head;
}

export function decodeInferHead(payload: Buffer): InferHead {
  const headerLength = payload.readUInt32LE(8);
  return {
    submittedMs: payload.readDoubleLE(12),
    timeoutMs: payload.readUInt32LE(0),
    protocol: protocols[payload.readUInt8(4)] ?? 'oip',
    headerLength: headerLength === absent ? undefined : headerLength,
  };
}

export function encodeTimeout(timeoutMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleLE(timeoutMs, 0);
  return bytes;
}
export const decodeTimeout = (payload: Buffer): number => payload.readDoubleLE(0);

export interface ResultHead {
  readonly headerLength: number | undefined;
  readonly rows: number;
  readonly batchRows: number;
  readonly items: number;
  readonly computeUs: number;
  readonly queueUs: number;
  readonly inputUs: number;
  readonly inferUs: number;
  readonly outputUs: number;
}

export const resultHeadBytes = 36;

export function encodeResultHead(head: ResultHead): Buffer {
  const bytes = Buffer.allocUnsafe(resultHeadBytes);
  bytes.writeUInt32LE(head.headerLength ?? absent, 0);
  bytes.writeUInt32LE(head.rows, 4);
  bytes.writeUInt32LE(head.batchRows, 8);
  bytes.writeFloatLE(head.queueUs, 12);
  bytes.writeFloatLE(head.inputUs, 16);
  bytes.writeFloatLE(head.inferUs, 20);
  bytes.writeFloatLE(head.outputUs, 24);
  bytes.writeUInt32LE(head.items, 28);
  bytes.writeFloatLE(head.computeUs, 32);
  return bytes;
}

export function decodeResultHead(payload: Buffer): ResultHead {
  const headerLength = payload.readUInt32LE(0);
  return {
    headerLength: headerLength === absent ? undefined : headerLength,
    rows: payload.readUInt32LE(4),
    batchRows: payload.readUInt32LE(8),
    queueUs: payload.readFloatLE(12),
    inputUs: payload.readFloatLE(16),
    inferUs: payload.readFloatLE(20),
    outputUs: payload.readFloatLE(24),
    items: payload.readUInt32LE(28),
    computeUs: payload.readFloatLE(32),
  };
}

export const encodeMessage = (message: object): Buffer => Buffer.from(JSON.stringify(message));

/** Both ends are this program's own build, so the reader may name the type. */
export const decodeMessage = (payload: Buffer): unknown => JSON.parse(payload.toString('utf8'));
