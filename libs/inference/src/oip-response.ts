/**
 * Typed tensors → the Open Inference Protocol's JSON answer. Every element keeps its value: 64-bit integers are written
 * as exact integer tokens, -0 as -0, and NaN and the infinities as the tokens NaN, Infinity and -Infinity, which the
 * protocol leaves open and which Python's json, TensorFlow Serving and our decoder read.
 */
import { assertJsonDatatype } from './elements.js';
import type { Tensor } from './tensor.js';

export interface ModelLabel {
  readonly model: string;
  readonly version: string;
}

/** Array.prototype.join writes -0 as 0; only a float array can hold one. */
function hasNegativeZero(elements: Float32Array | Float64Array): boolean {
  for (const value of elements) if (value === 0 && 1 / value < 0) return true;
  return false;
}

function floatsText(elements: Float32Array | Float64Array): string {
  if (!hasNegativeZero(elements)) return elements.join(',');
  return Array.from(elements, (value) => (Object.is(value, -0) ? '-0' : String(value))).join(',');
}

function elementsText({ name, datatype, elements }: Tensor): string {
  assertJsonDatatype(datatype, `output tensor '${name}'`);
  if (elements instanceof Float32Array || elements instanceof Float64Array) return floatsText(elements);
  if (datatype === 'BOOL')
    return Array.from(elements as Uint8Array, (bit) => (bit ? 'true' : 'false')).join(',');
  if (datatype === 'BYTES') return (elements as string[]).map((text) => JSON.stringify(text)).join(',');
  return elements.join(',');
}

/** Prepares an encoder for the answers of one version. */
export function responseEncoder({
  model,
  version,
}: ModelLabel): (outputs: readonly Tensor[], id?: string) => string {
  const head = `{"model_name":${JSON.stringify(model)},"model_version":${JSON.stringify(version)}`;
  return (outputs, id) => {
    let text = id === undefined ? `${head},"outputs":[` : `${head},"id":${JSON.stringify(id)},"outputs":[`;
    let separator = '';
    for (const output of outputs) {
      const shape = output.shape.join(',');
      text += `${separator}{"name":${JSON.stringify(output.name)},"datatype":"${output.datatype}","shape":[${shape}],"data":[${elementsText(output)}]}`;
      separator = ',';
    }
    return `${text}]}`;
  };
}
