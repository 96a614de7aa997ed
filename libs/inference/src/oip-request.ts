/**
 * The Open Inference Protocol's JSON request → typed tensors, checked in full against the signature. What passes here
 * fits the model; what does not is refused with the input's name and what was expected.
 */
import type { Signature, TensorSpec } from '#contracts/tensors';
import { assertJsonDatatype, readElements } from './elements.js';
import { invalidRequest, invalidTensor } from './errors.js';
import { parseJson } from './json-tokens.js';
import type { ParseOptions } from './json-tokens.js';
import { elementCount } from './tensor.js';
import type { Tensor } from './tensor.js';

export interface InferRequest {
  /** Echoed in the answer. */
  readonly id: string | undefined;
  readonly inputs: readonly Tensor[];
  /** Names of the wanted outputs, in the wanted order. */
  readonly outputs: readonly string[];
}

type Decode = (bytes: Buffer) => InferRequest;
type JsonObject = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (names: Iterable<string>): string => [...names].map((name) => `'${name}'`).join(', ');

/** Prepares a decoder for one signature. It throws TensorError. */
export function requestDecoder(signature: Signature): Decode {
  const specs = new Map(signature.inputs.map((spec) => [spec.name, spec]));
  const outputs = new Map(signature.outputs.map((spec) => [spec.name, spec]));
  const options: ParseOptions = {
    exactIntegers: signature.inputs.some(({ datatype }) => datatype === 'INT64' || datatype === 'UINT64'),
  };
  return (bytes) => {
    const body = parseJson(bytes, options);
    if (!isObject(body)) throw invalidRequest('The body must be a JSON object with "inputs".');
    const wanted = body['outputs'] === undefined ? signature.outputs : readOutputs(body['outputs'], outputs);
    for (const { name, datatype } of wanted) assertJsonDatatype(datatype, `output tensor '${name}'`);
    return {
      id: readId(body['id']),
      inputs: readInputs(body['inputs'], specs),
      outputs: wanted.map(({ name }) => name),
    };
  };
}

function readId(id: unknown): string | undefined {
  if (id === undefined || typeof id === 'string') return id;
  throw invalidRequest('"id" must be a string.');
}

function readInputs(inputs: unknown, specs: ReadonlyMap<string, TensorSpec>): Tensor[] {
  if (!Array.isArray(inputs)) throw invalidRequest('"inputs" must be an array of tensors.');
  const seen = new Set<string>();
  const tensors = inputs.map((input: unknown) => {
    if (!isObject(input) || typeof input['name'] !== 'string')
      throw invalidRequest('Each of "inputs" must be an object with a "name".');
    const spec = specs.get(input['name']);
    if (!spec) throw invalidTensor(`unknown input '${input['name']}'; the model takes ${list(specs.keys())}`);
    if (seen.has(spec.name)) throw invalidTensor(`input '${spec.name}' is given twice`);
    seen.add(spec.name);
    return readInput(input, spec);
  });
  if (seen.size < specs.size) {
    const missing = [...specs.keys()].filter((name) => !seen.has(name));
    throw invalidTensor(`missing input ${list(missing)}; the model takes ${list(specs.keys())}`);
  }
  return tensors;
}

function readInput(input: JsonObject, spec: TensorSpec): Tensor {
  const { name, datatype } = spec;
  if (input['datatype'] !== datatype)
    throw invalidTensor(
      `input '${name}': datatype is ${JSON.stringify(input['datatype']) ?? 'missing'}, expected ${datatype}`,
    );
  const shape = readShape(input['shape'], spec);
  if (input['data'] === undefined) throw invalidTensor(`input '${name}' has no "data"`);
  const elements = readElements(name, datatype, shape, elementCount(shape), input['data']);
  return { name, datatype, shape, elements };
}

const isDimension = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** An empty shape in the signature is a scalar or an unknown rank (ONNX Runtime shows both alike), so it takes any shape. */
function readShape(shape: unknown, spec: TensorSpec): readonly number[] {
  const expected = `[${spec.shape.join(', ')}]`;
  if (!Array.isArray(shape) || !shape.every(isDimension))
    throw invalidTensor(`input '${spec.name}': shape must be an array of sizes, expected ${expected}`);
  if (!Number.isSafeInteger(elementCount(shape)))
    throw invalidTensor(`input '${spec.name}': shape [${shape.join(', ')}] is too large`);
  if (spec.shape.length > 0 && !fits(shape, spec.shape))
    throw invalidTensor(
      `input '${spec.name}': shape is [${shape.join(', ')}], expected ${expected} (-1 is any size)`,
    );
  return shape;
}

function fits(shape: readonly number[], expected: readonly number[]): boolean {
  if (shape.length !== expected.length) return false;
  for (let axis = 0; axis < shape.length; axis += 1) {
    const size = expected[axis];
    if (size !== -1 && size !== shape[axis]) return false;
  }
  return true;
}

function readOutputs(wanted: unknown, outputs: ReadonlyMap<string, TensorSpec>): readonly TensorSpec[] {
  if (!Array.isArray(wanted)) throw invalidRequest('"outputs" must be an array.');
  const specs = wanted.map((output: unknown) => {
    if (!isObject(output) || typeof output['name'] !== 'string')
      throw invalidRequest('Each of "outputs" must be an object with a "name".');
    const spec = outputs.get(output['name']);
    if (spec) return spec;
    throw invalidTensor(`unknown output '${output['name']}'; the model gives ${list(outputs.keys())}`);
  });
  if (new Set(specs).size < specs.length) throw invalidTensor('an output is asked for twice');
  return specs.length > 0 ? specs : [...outputs.values()];
}
