/** Triton's `classification` output parameter: the n largest values of an output, as strings "value:index". */
import type { Datatype, TensorSpec } from '#contracts/tensors';
import { invalidTensor } from './errors.js';
import { elementCount } from './tensor.js';
import type { Tensor } from './tensor.js';

/** Ranking more than this would hold up everybody else; Triton draws the same line. */
const maxClasses = 1_000_000;
const unranked: ReadonlySet<Datatype> = new Set(['BOOL', 'BYTES', 'FP16']);

/** @throws TensorError in Triton's words */
export function assertClassifiable({ name, datatype }: TensorSpec): void {
  if (unranked.has(datatype))
    throw invalidTensor(
      `class result not available for output due to unsupported type '${datatype}' (output '${name}')`,
    );
}

/** C's "%f", which Triton writes floats with. */
function fixed(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

type Values = ArrayLike<number> | ArrayLike<bigint>;

const isNaN = (value: number | bigint): boolean => Number.isNaN(value);

/** Indices of the `most` largest values, largest first; NaN ranks last, equal values by index. */
function largest(values: Values, most: number): number[] {
  const rank = (left: number, right: number): number => {
    const a = values[left] ?? 0;
    const b = values[right] ?? 0;
    if (a > b) return -1;
    if (a < b) return 1;
    return Number(isNaN(a)) - Number(isNaN(b)) || left - right;
  };
  return Array.from({ length: values.length }, (_, index) => index)
    .sort(rank)
    .slice(0, most);
}

/** `hasBatch` says that the first dimension is the batch's, each row of which is ranked for itself. */
export function classify(tensor: Tensor, most: number, hasBatch: boolean): Tensor {
  const { name, shape, datatype } = tensor;
  const batch = hasBatch && shape.length > 0 ? (shape[0] ?? 1) : undefined;
  const perRow = elementCount(batch === undefined ? shape : shape.slice(1));
  if (perRow > maxClasses) throw invalidTensor(`classification output tensor too large (output '${name}')`);
  const classes = Math.min(most, perRow);
  // Every typed array has the same `subarray`, and numbers and big integers compare and print alike here.
  const values = tensor.elements as Float64Array;
  const isFloat = datatype === 'FP32' || datatype === 'FP64';
  const elements: string[] = [];
  for (let row = 0; row < (batch ?? 1); row += 1) {
    const rowValues: Values = values.subarray(row * perRow, (row + 1) * perRow);
    for (const index of largest(rowValues, classes)) {
      const value = rowValues[index] ?? 0;
      elements.push(`${isFloat ? fixed(value) : String(value)}:${index}`);
    }
  }
  return {
    name,
    datatype: 'BYTES',
    shape: batch === undefined ? [classes] : [batch, classes],
    elements,
  };
}
