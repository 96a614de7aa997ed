/** Pieces of messages that several codecs use. */
import type { Datatype } from '#contracts/tensors';
import { invalidTensor } from './errors.js';
import type { JsonDatatype } from './json-column.js';

export const listOf = (names: Iterable<string>): string => [...names].map((name) => `'${name}'`).join(', ');
export const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/** Triton's words for the datatype that JSON cannot carry. */
const noFloat16 = 'sending FP16 data via JSON is not supported. Please use the binary data format';

/** @throws TensorError for FP16, which the protocol leaves without a JSON form */
export function assertJsonDatatype(
  datatype: Datatype,
  side: 'input' | 'output tensor',
  name: string,
): asserts datatype is JsonDatatype {
  if (datatype === 'FP16') throw invalidTensor(`${noFloat16} for ${side} '${name}'`);
}
