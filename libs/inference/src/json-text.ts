/** Elements → JSON text, exact to the bit: separated by commas, without brackets. */
import { singlesText } from './float-text.js';
import type { Tensor } from './tensor.js';
import { assertJsonDatatype } from './words.js';

/** JSON.stringify is the fastest writer of doubles, but it loses what is not finite and the sign of -0. */
const isPlain = (value: number): boolean => Number.isFinite(value) && !Object.is(value, -0);

function doublesText(elements: Float64Array): string {
  if (elements.every(isPlain)) return JSON.stringify(Array.from(elements)).slice(1, -1);
  return Array.from(elements, (value) => (Object.is(value, -0) ? '-0' : String(value))).join(',');
}

export function elementsText({ name, datatype, elements }: Tensor): string {
  assertJsonDatatype(datatype, 'output tensor', name);
  if (elements instanceof Float32Array) return singlesText(elements);
  if (elements instanceof Float64Array) return doublesText(elements);
  if (datatype === 'BOOL')
    return Array.from(elements as Uint8Array, (bit) => (bit ? 'true' : 'false')).join(',');
  if (datatype === 'BYTES') return (elements as string[]).map((text) => JSON.stringify(text)).join(',');
  return elements.join(',');
}
