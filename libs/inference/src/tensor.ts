/** Tensors in memory: row-major elements in the typed array of their datatype. */
import type { Datatype, TensorSpec } from '#contracts/tensors';

/** FP16 is held as its bits, BOOL as 0 and 1, BYTES as strings. */
export interface ElementArrays {
  BOOL: Uint8Array;
  UINT8: Uint8Array;
  UINT16: Uint16Array;
  UINT32: Uint32Array;
  UINT64: BigUint64Array;
  INT8: Int8Array;
  INT16: Int16Array;
  INT32: Int32Array;
  INT64: BigInt64Array;
  FP16: Uint16Array;
  FP32: Float32Array;
  FP64: Float64Array;
  BYTES: string[];
}
export type Elements = ElementArrays[Datatype];

export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly elements: Elements;
}

const allocators: { readonly [D in Datatype]: (count: number) => ElementArrays[D] } = {
  BOOL: (count) => new Uint8Array(count),
  UINT8: (count) => new Uint8Array(count),
  UINT16: (count) => new Uint16Array(count),
  UINT32: (count) => new Uint32Array(count),
  UINT64: (count) => new BigUint64Array(count),
  INT8: (count) => new Int8Array(count),
  INT16: (count) => new Int16Array(count),
  INT32: (count) => new Int32Array(count),
  INT64: (count) => new BigInt64Array(count),
  FP16: (count) => new Uint16Array(count),
  FP32: (count) => new Float32Array(count),
  FP64: (count) => new Float64Array(count),
  BYTES: (count) => Array.from({ length: count }, () => ''),
};

/** `count` zeros, or empty strings. */
export function allocate<D extends Datatype>(datatype: D, count: number): ElementArrays[D] {
  return allocators[datatype](count);
}

/** Number of elements of a shape whose dimensions are all known; a scalar has one. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) count *= dimension;
  return count;
}

/** A tensor of zeros that fits `spec`; each dynamic dimension is 1. */
export function zeros(spec: TensorSpec): Tensor {
  const shape = spec.shape.map((dimension) => (dimension < 0 ? 1 : dimension));
  return { ...spec, shape, elements: allocate(spec.datatype, elementCount(shape)) };
}
