/**
 * Typed tensors → the Open Inference Protocol's answer. Every element keeps its value: in JSON, 64-bit integers are
 * written as exact integer tokens, -0 as -0, and NaN and the infinities as the tokens NaN, Infinity and -Infinity, which
 * the protocol leaves open and which Python's json, TensorFlow Serving and our decoder read. Outputs that were asked for
 * in binary follow the JSON in their order.
 */
import { encodeBinary } from './binary-tensors.js';
import { classify } from './classification.js';
import { elementsText } from './json-text.js';
import type { EncodedBody, ModelLabel } from './request.js';
import type { Tensor } from './tensor.js';

export interface WantedOutput {
  readonly name: string;
  readonly isBinary: boolean;
  /** How many of the largest values are wanted in place of the tensor; 0 for the tensor itself. */
  readonly classes: number;
}

/** `results` are in the order of `wanted`. */
export type ResponseEncoder = (
  results: readonly Tensor[],
  wanted: readonly WantedOutput[],
  id: string | undefined,
) => EncodedBody;

/** Prepares an encoder for the answers of one version. */
export function oipEncoder({ model, version }: ModelLabel, hasBatchDimension: boolean): ResponseEncoder {
  const head = `{"model_name":${JSON.stringify(model)},"model_version":${JSON.stringify(version)}`;
  return (results, wanted, id) => {
    let text = id === undefined ? `${head},"outputs":[` : `${head},"id":${JSON.stringify(id)},"outputs":[`;
    const tail: Buffer[] = [];
    for (const [index, result] of results.entries()) {
      const { isBinary = false, classes = 0 } = wanted[index] ?? {};
      const tensor = classes > 0 ? classify(result, classes, hasBatchDimension) : result;
      const binary = isBinary ? encodeBinary(tensor) : undefined;
      if (binary) tail.push(binary);
      const data = binary
        ? `"parameters":{"binary_data_size":${binary.length}}`
        : `"data":[${elementsText(tensor)}]`;
      text += `${index > 0 ? ',' : ''}{"name":${JSON.stringify(tensor.name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape.join(',')}],${data}}`;
    }
    const json = Buffer.from(`${text}]}`);
    return { parts: [json, ...tail], headerLength: tail.length > 0 ? json.length : undefined };
  };
}
