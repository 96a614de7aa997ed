/**
 * Whether a model batches, and what batches cost: decided from the signature, proved by running a batch of two beside two
 * singles, then timed size by size while the cost per row falls. Never trusts a model's word for it.
 */
import type { Batching, Signature, TensorSpec } from '#contracts/tensors';
import { joinRows, splitRows } from '#inference/batching/rows';
import { batchSizes } from '#inference/batching/cost-table';
import type { Cost } from '#inference/batching/cost-table';
import { allocate, elementCount } from '#inference/tensor';
import type { Tensor } from '#inference/tensor';
import { cleanReason } from './reason.js';

interface Runnable {
  readonly signature: Signature;
  run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]>;
}

/** The largest relative difference between a batch and singles that still counts as the same answer. */
const maxDifference = 1e-5;
const timingBudgetMs = 1_500;
/** So long all sizes are timed: a small model's times are noisy, and tell little of where its best size is. */
const patienceMs = 100;
const runsPerSize = 3;
/** Sizes tried for dynamic dimensions other than the first: many models refuse 1. */
const trialSizes = [1, 32, 48, 224] as const;

const off = (reason: string): Batching => ({ enabled: false, reason, tolerance: null, costs: [] });

/** Why the signature rules batching out; undefined when it does not. */
export function signatureObstacle({ inputs, outputs }: Signature): string | undefined {
  const fixed = (side: string, specs: readonly TensorSpec[]): string | undefined => {
    const spec = specs.find(({ shape }) => shape[0] !== -1);
    return spec && `${side} '${spec.name}' has no leading dynamic dimension`;
  };
  return inputs.length === 0
    ? 'the model has no inputs'
    : (fixed('input', inputs) ?? fixed('output', outputs));
}

/** One row that differs from the next: a small ramp, so that rows mixed up by the model are noticed. */
function sample(spec: TensorSpec, size: number, seed: number): Tensor {
  const shape = spec.shape.map((dimension, axis) => (axis === 0 ? 1 : dimension < 0 ? size : dimension));
  const elements = allocate(spec.datatype, elementCount(shape));
  for (let index = 0; index < elements.length; index += 1) {
    const step = (index + seed) % 7;
    if (elements instanceof Float32Array || elements instanceof Float64Array) elements[index] = step / 8;
    else if (elements instanceof BigInt64Array || elements instanceof BigUint64Array)
      elements[index] = BigInt(seed % 2);
    else if (!Array.isArray(elements)) elements[index] = spec.datatype === 'FP16' ? 0x3000 : seed % 2;
  }
  return { ...spec, shape, elements };
}

/** The largest relative difference of two answers; Infinity when they differ in kind. */
export function difference(one: readonly Tensor[], other: readonly Tensor[]): number {
  let largest = 0;
  for (const [position, { elements, shape }] of one.entries()) {
    const twin = other[position];
    if (!twin || twin.shape.join() !== shape.join()) return Infinity;
    for (let index = 0; index < elements.length; index += 1) {
      const [a, b] = [elements[index], twin.elements[index]];
      if (Object.is(a, b) || a === b) continue;
      if (typeof a !== 'number' || typeof b !== 'number' || !Number.isFinite(a - b)) return Infinity;
      largest = Math.max(largest, Math.abs(a - b) / Math.max(1, Math.abs(a), Math.abs(b)));
    }
  }
  return largest;
}

interface Proof {
  readonly row: readonly Tensor[];
  readonly tolerance: number;
}

async function prove(model: Runnable, outputs: readonly string[], size: number): Promise<Proof> {
  const [first, second] = [1, 4].map((seed) =>
    model.signature.inputs.map((spec) => sample(spec, size, seed)),
  );
  if (!first || !second) throw new Error('no samples');
  const singles = [await model.run(first, outputs), await model.run(second, outputs)];
  const pieces = splitRows(await model.run(joinRows([first, second]), outputs), [1, 1]);
  const differences = singles.map((single, index) => difference(single, pieces?.[index] ?? []));
  return { row: first, tolerance: Math.max(...differences) };
}

async function timed(
  model: Runnable,
  row: readonly Tensor[],
  outputs: readonly string[],
  rows: number,
): Promise<Cost> {
  const inputs = joinRows(Array.from({ length: rows }, () => row));
  let ms = Infinity;
  for (let run = 0; run < runsPerSize; run += 1) {
    const start = performance.now();
    await model.run(inputs, outputs);
    ms = Math.min(ms, performance.now() - start);
  }
  return { rows, ms };
}

/** Times sizes upwards until two in a row cost more per row than the best, when that takes long, or the budget is spent. */
async function measure(
  model: Runnable,
  row: readonly Tensor[],
  outputs: readonly string[],
  maxRows: number,
): Promise<Cost[]> {
  const costs: Cost[] = [];
  const start = performance.now();
  let best = Infinity;
  let worse = 0;
  for (const rows of batchSizes) {
    // The next size costs about as much again as all before it; a slow model stops here.
    const spentMs = performance.now() - start;
    if (rows > maxRows || (worse >= 2 && spentMs > patienceMs)) break;
    if (costs.length > 1 && spentMs * 2 > timingBudgetMs) break;
    const cost = await timed(model, row, outputs, rows);
    costs.push(cost);
    const perRow = cost.ms / rows;
    worse = perRow < best ? 0 : worse + 1;
    best = Math.min(best, perRow);
  }
  return costs;
}

/** @param maxRows the config's `max_batch_size`; null: what the measurement finds */
export async function probeBatching(model: Runnable, maxRows: number | null): Promise<Batching> {
  if (maxRows === 1) return off('max_batch_size is 1');
  const obstacle = signatureObstacle(model.signature);
  if (obstacle !== undefined) return off(obstacle);
  const outputs = model.signature.outputs.map(({ name }) => name);
  let reason = '';
  for (const size of trialSizes) {
    try {
      const { row, tolerance } = await prove(model, outputs, size);
      if (!(tolerance <= maxDifference))
        return off(`a batch of 2 answers otherwise than two singles (by ${tolerance})`);
      const costs = await measure(model, row, outputs, maxRows ?? Infinity);
      return {
        enabled: true,
        reason: null,
        tolerance,
        costs: costs.map(({ rows, ms }) => ({ rows, ms: Math.round(ms * 1e4) / 1e4 })),
      };
    } catch (error) {
      reason = cleanReason(error);
    }
  }
  return off(`the model does not run on a made-up batch: ${reason}`);
}
