/** A signature, prepared for looking things up and for checking shapes against it. */
import type { Signature, TensorSpec } from '#contracts/tensors';
import { invalidTensor } from './errors.js';
import type { CodecLimits } from './limits.js';
import { elementCount } from './tensor.js';
import type { Tensor } from './tensor.js';
import { listOf, shapeText } from './words.js';

export interface SignaturePlan {
  readonly signature: Signature;
  readonly inputs: ReadonlyMap<string, TensorSpec>;
  readonly outputs: ReadonlyMap<string, TensorSpec>;
  /** Whether the first dimension of every tensor is that of the batch. */
  readonly hasBatchDimension: boolean;
  readonly limits: CodecLimits;
}

const hasLeadingDynamic = ({ shape }: TensorSpec): boolean => shape[0] === -1;

export function planOf(signature: Signature, limits: CodecLimits): SignaturePlan {
  const byName = (specs: readonly TensorSpec[]): ReadonlyMap<string, TensorSpec> =>
    new Map(specs.map((spec) => [spec.name, spec]));
  return {
    signature,
    inputs: byName(signature.inputs),
    outputs: byName(signature.outputs),
    hasBatchDimension: [...signature.inputs, ...signature.outputs].every(hasLeadingDynamic),
    limits,
  };
}

export function inputSpec(plan: SignaturePlan, name: string): TensorSpec {
  const spec = plan.inputs.get(name);
  if (spec) return spec;
  throw invalidTensor(`unknown input '${name}'; the model takes ${listOf(plan.inputs.keys())}`);
}

/**
 * The element count of `shape`, which fits `spec`. An empty shape in the signature is a scalar or an unknown rank
 * (ONNX Runtime shows both alike), so it takes any shape.
 */
export function checkedCount(spec: TensorSpec, shape: readonly number[], limits: CodecLimits): number {
  const count = elementCount(shape);
  if (shape.length > limits.maxDepth || !(count <= limits.maxElements))
    throw invalidTensor(
      `input '${spec.name}': shape ${shapeText(shape.slice(0, limits.maxDepth))} is too large; ` +
        `a tensor may have ${limits.maxElements} elements`,
    );
  if (spec.shape.length > 0 && !fits(shape, spec.shape))
    throw invalidTensor(
      `input '${spec.name}': shape is ${shapeText(shape)}, expected ${shapeText(spec.shape)} (-1 is any size)`,
    );
  return count;
}

function fits(shape: readonly number[], expected: readonly number[]): boolean {
  if (shape.length !== expected.length) return false;
  for (let axis = 0; axis < shape.length; axis += 1) {
    const size = expected[axis];
    if (size !== -1 && size !== shape[axis]) return false;
  }
  return true;
}

/** All inputs of the model, in the signature's order. */
export function completeInputs(plan: SignaturePlan, given: ReadonlyMap<string, Tensor>): Tensor[] {
  const tensors: Tensor[] = [];
  const missing: string[] = [];
  for (const name of plan.inputs.keys()) {
    const tensor = given.get(name);
    if (tensor) tensors.push(tensor);
    else missing.push(name);
  }
  if (missing.length === 0) return tensors;
  throw invalidTensor(`missing input ${listOf(missing)}; the model takes ${listOf(plan.inputs.keys())}`);
}
