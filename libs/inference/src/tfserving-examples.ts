/**
 * TensorFlow Serving's `:classify` and `:regress`. A signature allows them when every input is [batch] or [batch, n] and
 * - regress: the only output is a float of [batch] or [batch, 1];
 * - classify: the outputs are at most one float tensor of scores and at most one tensor of labels (strings or integers), each
 *   [batch] or [batch, classes]. Scores without a label for each are labelled with their index.
 */
import type { Signature, TensorSpec } from '#contracts/tensors';
import { invalidRequest, invalidTensor } from './errors.js';
import { readNested } from './json-column.js';
import type { JsonColumn } from './json-column.js';
import { closeArray, openArray, openObject } from './json-scanner.js';
import type { DecodedRequest } from './request.js';
import { inputSpec } from './signature-plan.js';
import { elementCount } from './tensor.js';
import type { Tensor } from './tensor.js';
import { assertObject, growingColumn, readSignatureName, tensorOf } from './tfserving-request.js';
import type { TfServingCodec } from './tfserving-request.js';
import { floatTexts, jsonBody } from './tfserving-response.js';
import { listOf, shapeText } from './words.js';

export type ExampleMethod = 'classify' | 'regress';
type Encode = (examples: number) => DecodedRequest['encode'];
interface Method {
  readonly outputs: readonly TensorSpec[];
  readonly encode: Encode;
}

const isFloat = ({ datatype }: TensorSpec): boolean => datatype === 'FP32' || datatype === 'FP64';
const isLabel = ({ datatype }: TensorSpec): boolean => datatype === 'BYTES' || /^U?INT/.test(datatype);

/** How the signature serves the method. @throws TensorError when it does not */
function methodOf(method: ExampleMethod, { inputs, outputs }: Signature): Method {
  const noun = method === 'classify' ? 'classification' : 'regression';
  const refuse = (reason: string): Error =>
    invalidRequest(
      `Expected ${noun} signature method_name to be tensorflow/serving/${method}. Was: tensorflow/serving/predict (${reason})`,
    );
  for (const { name, shape, datatype } of inputs)
    if (shape.length < 1 || shape.length > 2 || datatype === 'FP16')
      throw refuse(
        `input '${name}' is ${datatype} of ${shapeText(shape)}, it would have to be [batch] or [batch, n]`,
      );
  for (const { name, shape } of outputs)
    if (shape.length > 2)
      throw refuse(`output '${name}' is ${shapeText(shape)}, it would have to be [batch] or [batch, n]`);
  if (method === 'regress') {
    const [value] = outputs;
    if (outputs.length !== 1 || !value || !isFloat(value)) throw refuse('Expected one output Tensor of floats');
    return { outputs, encode: (examples) => (results) => jsonBody(regression(results, examples)) };
  }
  const scores = outputs.filter(isFloat);
  const labels = outputs.filter(isLabel);
  if (scores.length > 1 || labels.length > 1 || scores.length + labels.length !== outputs.length)
    throw refuse(`Expected one output of scores, one of labels, or both, found ${listOf(outputs.map(({ name }) => name))}`);
  const hasScores = scores.length > 0;
  return {
    outputs: [...scores, ...labels],
    encode: (examples) => (results) =>
      jsonBody(classification(hasScores ? results[0] : undefined, hasScores ? results[1] : results[0], examples)),
  };
} // prettier-ignore

/** Values per example of an output that must be [batch] or [batch, n]. */
function width({ name, shape }: Tensor, examples: number): number {
  if (shape.length < 1 || shape.length > 2)
    throw invalidRequest(
      `Expected Tensor shape: [batch_size num_classes] but got ${shapeText(shape)} (output '${name}')`,
    );
  if (shape[0] !== examples)
    throw invalidRequest(
      `Expected output batch size to be ${examples}. Got: ${shape[0] ?? 0} (output '${name}')`,
    );
  return shape[1] ?? 1;
}

function regression([value]: readonly Tensor[], examples: number): string {
  if (!value || width(value, examples) !== 1)
    throw invalidRequest(
      `Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got ${shapeText(value?.shape ?? [])}`,
    );
  return `{"results":[${floatTexts(value.elements as Float32Array).join(',')}]}`;
}

function classification(scores: Tensor | undefined, labels: Tensor | undefined, examples: number): string {
  const scoreWidth = scores && width(scores, examples);
  const labelWidth = labels && width(labels, examples);
  const classes = scoreWidth ?? labelWidth ?? 0;
  const scoreTexts = scores && floatTexts(scores.elements as Float32Array);
  const results = Array.from({ length: examples }, (_, row) => {
    const pairs = Array.from({ length: classes }, (_, index) => {
      const at = row * classes + index;
      const label = labelWidth === classes ? labels?.elements[at] : index;
      return `[${JSON.stringify(String(label))},${scoreTexts?.[at] ?? '0.0'}]`;
    });
    return `[${pairs.join(',')}]`;
  });
  return `{"results":[${results.join(',')}]}`;
}

interface Feature {
  readonly spec: TensorSpec;
  readonly column: JsonColumn;
  /** Values per example, once one has been read. */
  width?: number;
  /** The example that gave it last. */
  lastExample: number;
}

/** @throws TensorError */
export function decodeExamples(codec: TfServingCodec, method: ExampleMethod, body: Buffer): DecodedRequest {
  const { plan, scanner } = codec;
  const { outputs, encode } = methodOf(method, plan.signature);
  scanner.open(body);
  try {
    assertObject(scanner);
    let examplesAt: number | undefined;
    const context = new Map<string, number>();
    scanner.readMembers((key) => {
      scanner.peek();
      if (key === 'signature_name')
        readSignatureName(scanner, (name) => `No signature was found with the name: ${name}`);
      else if (key === 'context') readContext(codec, context);
      else {
        if (key === 'examples') examplesAt = scanner.pos;
        scanner.skip();
      }
    });
    scanner.finish();
    if (examplesAt === undefined)
      throw invalidRequest(`When method is ${method}, key 'examples' is expected and was not found`);
    scanner.reenter(examplesAt);
    const { inputs, count } = readExamples(codec, context);
    return {
      inputs,
      outputs: outputs.map(({ name }) => name),
      priority: 0,
      timeoutUs: undefined,
      encode: encode(count),
    };
  } finally {
    scanner.close();
  }
}

/** Features that every example has unless it says otherwise: where their values stand. */
function readContext({ plan, scanner }: TfServingCodec, context: Map<string, number>): void {
  if (scanner.peek() !== openObject) throw invalidRequest('Example must be JSON object');
  scanner.readMembers((key) => {
    inputSpec(plan, key);
    scanner.peek();
    context.set(key, scanner.pos);
    scanner.skip();
  });
}

function readExamples(
  codec: TfServingCodec,
  context: ReadonlyMap<string, number>,
): { inputs: Tensor[]; count: number } {
  const { plan, scanner } = codec;
  if (scanner.peek() !== openArray) throw invalidRequest("Expecting 'examples' value to be an list/array");
  const features = plan.signature.inputs.map(
    (spec): Feature => ({ spec, column: growingColumn(codec, spec, 1), lastExample: -1 }),
  );
  const byName = new Map(features.map((feature) => [feature.spec.name, feature]));
  if (!scanner.enter(openArray)) throw invalidRequest("'examples' value is an empty array");
  let count = 0;
  do {
    if (scanner.peek() !== openObject) throw invalidRequest('Example must be JSON object');
    scanner.readMembers((key) => {
      const feature = byName.get(key);
      if (!feature) throw invalidTensor(`unknown input '${key}'; the model takes ${listOf(byName.keys())}`);
      readFeature(codec, feature, count);
    });
    for (const feature of features) if (feature.lastExample < count) fromContext(codec, feature, context, count);
    count += 1;
  } while (scanner.more(closeArray));
  const inputs = features.map(({ spec, column, width = 0 }) =>
    tensorOf(plan, spec, spec.shape.length === 1 ? [count * width] : [count, width], column),
  );
  return { inputs, count };
} // prettier-ignore

function fromContext(
  codec: TfServingCodec,
  feature: Feature,
  context: ReadonlyMap<string, number>,
  example: number,
): void {
  const valueAt = context.get(feature.spec.name);
  if (valueAt === undefined)
    throw invalidTensor(`missing input '${feature.spec.name}' in element ${example} of 'examples'`);
  const { scanner } = codec;
  const after = scanner.pos;
  scanner.pos = valueAt;
  readFeature(codec, feature, example);
  scanner.pos = after;
}

/** A feature is one value or a list of them. */
function readFeature({ scanner }: TfServingCodec, feature: Feature, example: number): void {
  const { spec, column } = feature;
  const shape = readNested(scanner, column);
  const values = elementCount(shape);
  const expected = (feature.width ??= spec.shape.length === 1 ? 1 : values);
  if (shape.length > 1 || values !== expected)
    throw invalidTensor(
      `Feature: ${spec.name} of element ${example} of 'examples' is ${shapeText(shape)}, expected ${expected} values`,
    );
  feature.lastExample = example;
}
