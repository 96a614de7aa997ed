/**
 * How many runner processes a version gets on a node, how many threads each, and the memory that takes: one rule for the node
 * that starts them and the registry that finds room for them. Pure.
 */
import type { VersionConfig } from './models.js';
import type { Profile, Signature } from './tensors.js';

export interface Allotment {
  readonly instances: number;
  readonly intraOpThreads: number;
}

/** One inference gains little from more threads than these; what cores are left serve another one beside it. */
const usefulThreads = 4;

/** Two processes keep a few cores busy while one of them decodes or encodes; more would only multiply the memory. */
const usualInstances = (cores: number): number => Math.max(2, Math.ceil(cores / usefulThreads));

/** What the config leaves open comes from the cores, so that instances × threads ≤ cores where the config allows it. */
export function allot(
  { instances, intra_op_threads: threads }: Pick<VersionConfig, 'instances' | 'intra_op_threads'>,
  cores: number,
): Allotment {
  const count = instances ?? Math.max(1, Math.min(usualInstances(cores), Math.floor(cores / (threads ?? 1))));
  const share = Math.max(1, Math.floor(cores / count));
  return { instances: count, intraOpThreads: Math.min(threads ?? share, share) };
}

/** A model that answers sooner is served by one process: a second would only take turns with the gateway and the front. */
const quickMs = 0.5;

/** The warm-up makes up the size of every dynamic dimension: beyond the batch's that says nothing of real requests. */
export const isTypical = ({ inputs }: Pick<Signature, 'inputs'>): boolean =>
  inputs.every(({ shape }) => shape.slice(1).every((size) => size >= 0));

export interface Measured extends Pick<Profile, 'warmup_ms' | 'latency_ms'> {
  readonly signature: Pick<Signature, 'inputs'> | null;
}

/** How many processes a version really gets, once its first has measured it. An explicit number is obeyed. */
export function neededInstances(
  { instances }: Pick<VersionConfig, 'instances'>,
  allotment: Allotment,
  { warmup_ms: warmupMs, latency_ms: latencyMs, signature }: Measured,
): number {
  const isMeasured = warmupMs > 0 && signature !== null && isTypical(signature);
  return instances === null && isMeasured && latencyMs < quickMs ? 1 : allotment.instances;
}

/** A runner process with ONNX Runtime and no model. */
const runnerBytes = 64 * 2 ** 20;
/** ONNX Runtime holds the initializers of the file, and for a time the parsed file beside them. */
const memoryPerFileByte = 2;

/** What `instances` runners take: of the measured memory of one, or a guess from the version's files. */
export const memoryOfRunners = (
  instances: number,
  { measuredBytes, fileBytes }: { readonly measuredBytes: number | null; readonly fileBytes: number },
): number => instances * (runnerBytes + (measuredBytes ?? fileBytes * memoryPerFileByte));
