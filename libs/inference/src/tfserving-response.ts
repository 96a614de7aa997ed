/** Typed tensors → TensorFlow Serving's answers: `predictions`, `outputs` and `results`. */
import { invalidRequest } from './errors.js';
import { singlesText } from './float-text.js';
import type { DecodedRequest, EncodedBody } from './request.js';
import type { Tensor } from './tensor.js';

/** TensorFlow Serving writes whole floats as 1.0, so that readers see one type in one list. */
const withPoint = (text: string): string => (/^-?\d+$/.test(text) ? `${text}.0` : text);

export function floatTexts(elements: Float32Array | Float64Array): string[] {
  if (elements.length === 0) return [];
  if (elements instanceof Float32Array) return singlesText(elements).split(',').map(withPoint);
  return Array.from(elements, (value) => withPoint(Object.is(value, -0) ? '-0' : String(value)));
}

/** Outputs of this name are bytes rather than text, and written in base64. */
const bytesSuffix = '_bytes';

function elementTexts({ name, datatype, elements }: Tensor): string[] {
  if (Array.isArray(elements))
    return name.endsWith(bytesSuffix)
      ? elements.map((text) => `{"b64":"${Buffer.from(text).toString('base64')}"}`)
      : elements.map((text) => JSON.stringify(text));
  if (datatype === 'BOOL') return Array.from(elements as Uint8Array, (bit) => (bit ? 'true' : 'false'));
  if (elements instanceof Float32Array || elements instanceof Float64Array) return floatTexts(elements);
  return Array.from(elements as ArrayLike<number>, String);
}

/** Brackets as `shape` says around `texts`, from `offset` on. */
function nest(texts: readonly string[], shape: readonly number[], offset = 0): string {
  const [size, ...inner] = shape;
  if (size === undefined) return texts[offset] ?? 'null';
  if (inner.length === 0) return `[${texts.slice(offset, offset + size).join(',')}]`;
  const step = inner.reduce((product, dimension) => product * dimension, 1);
  return `[${Array.from({ length: size }, (_, index) => nest(texts, inner, offset + index * step)).join(',')}]`;
}

export const jsonBody = (text: string): EncodedBody => ({
  parts: [Buffer.from(text)],
  headerLength: undefined,
});

const columns = (results: readonly Tensor[]): string => {
  const values = results.map((tensor) => nest(elementTexts(tensor), tensor.shape));
  if (values.length === 1) return values[0] ?? '';
  return `{${values.map((value, index) => `${JSON.stringify(results[index]?.name)}:${value}`).join(',')}}`;
};

/** Rows need a first dimension that all outputs share. */
function batchOf(results: readonly Tensor[]): number {
  let batch = -1;
  for (const { name, shape } of results) {
    const [size] = shape;
    if (size === undefined) throw invalidRequest(`Tensor name: ${name} has no shape information`);
    if (batch >= 0 && size !== batch)
      throw invalidRequest(
        `Tensor name: ${name} has inconsistent batch size: ${size} expecting: ${batch}. Use 'inputs' in place of 'instances'.`,
      );
    batch = size;
  }
  return batch;
}

function rows(results: readonly Tensor[]): string {
  const batch = batchOf(results);
  const outputs = results.map((tensor) => {
    const inner = tensor.shape.slice(1);
    const step = inner.reduce((product, dimension) => product * dimension, 1);
    return { key: JSON.stringify(tensor.name), texts: elementTexts(tensor), inner, step };
  });
  const written = Array.from({ length: batch }, (_, row) => {
    const values = outputs.map(({ texts, inner, step }) => nest(texts, inner, row * step));
    if (values.length === 1) return values[0];
    return `{${values.map((value, index) => `${outputs[index]?.key ?? ''}:${value}`).join(',')}}`;
  });
  return `[${written.join(',')}]`;
}

/** The answer has the form of the question. */
export function predictEncoder(form: 'instances' | 'inputs'): DecodedRequest['encode'] {
  return (results) =>
    jsonBody(form === 'instances' ? `{"predictions":${rows(results)}}` : `{"outputs":${columns(results)}}`);
}
