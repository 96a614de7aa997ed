/**
 * The JSON of an Open Inference Protocol request. Members may stand in any order: `data` is read at once when name,
 * datatype and shape stand before it, else when the input has been read to its end.
 */
import type { TensorSpec } from '#contracts/tensors';
import { invalidRequest, invalidTensor } from './errors.js';
import { JsonColumn, readNested } from './json-column.js';
import type { Complaints } from './json-column.js';
import { closeArray, openArray, openObject, quote } from './json-scanner.js';
import type { JsonScanner } from './json-scanner.js';
import { countParameter, readParameters } from './oip-parameters.js';
import type { Parameters } from './oip-parameters.js';
import { checkedCount, inputSpec } from './signature-plan.js';
import type { SignaturePlan } from './signature-plan.js';
import type { Elements } from './tensor.js';
import { assertJsonDatatype, shapeText } from './words.js';

/** An input whose datatype and shape fit the signature. Its elements follow in binary when `binarySize` is there. */
export interface EnvelopeInput {
  readonly spec: TensorSpec;
  readonly shape: readonly number[];
  readonly count: number;
  readonly elements: Elements | undefined;
  readonly binarySize: number | undefined;
}

export interface EnvelopeOutput {
  readonly name: string;
  readonly parameters: Parameters | undefined;
}

export interface Envelope {
  readonly id: string | undefined;
  readonly parameters: Parameters | undefined;
  readonly inputs: readonly EnvelopeInput[];
  readonly outputs: readonly EnvelopeOutput[] | undefined;
}

/** Reads the whole document. @throws TensorError */
export function readEnvelope(scanner: JsonScanner, plan: SignaturePlan): Envelope {
  if (scanner.peek() !== openObject && scanner.bytesLeft > 0) {
    scanner.skip();
    scanner.finish();
    throw invalidRequest('The body must be a JSON object with "inputs".');
  }
  let id: string | undefined;
  let parameters: Parameters | undefined;
  let inputs: readonly EnvelopeInput[] | undefined;
  let outputs: readonly EnvelopeOutput[] | undefined;
  scanner.readMembers((key) => {
    if (key === 'inputs') inputs = readEach(scanner, key, () => readInput(scanner, plan));
    else if (key === 'outputs') outputs = readEach(scanner, key, () => readOutput(scanner));
    else if (key === 'parameters') parameters = readParameters(scanner, 'the request');
    else if (key === 'id') id = readText(scanner, '"id" must be a string.');
    else scanner.skip();
  });
  scanner.finish();
  if (inputs === undefined) throw invalidRequest('"inputs" must be an array of tensors.');
  return { id, parameters, inputs, outputs };
}

function readText(scanner: JsonScanner, problem: string): string {
  if (scanner.peek() !== quote) throw invalidRequest(problem);
  return scanner.readString();
}

function readEach<T>(scanner: JsonScanner, key: string, read: () => T): T[] {
  const entries: T[] = [];
  if (scanner.peek() !== openArray) throw invalidRequest(`"${key}" must be an array of tensors.`);
  if (!scanner.enter(openArray)) return entries;
  do {
    if (scanner.peek() !== openObject)
      throw invalidRequest(`Each of "${key}" must be an object with a "name".`);
    entries.push(read());
  } while (scanner.more(closeArray));
  return entries;
}

function readOutput(scanner: JsonScanner): EnvelopeOutput {
  const problem = 'Each of "outputs" must be an object with a "name".';
  let name: string | undefined;
  let parameters: Parameters | undefined;
  scanner.readMembers((key) => {
    if (key === 'name') name = readText(scanner, problem);
    else if (key === 'parameters') parameters = readParameters(scanner, 'an output');
    else scanner.skip();
  });
  if (name === undefined) throw invalidRequest(problem);
  return { name, parameters };
}

interface Draft {
  name: string | undefined;
  datatype: string | undefined;
  shape: readonly number[] | undefined;
  parameters: Parameters | undefined;
  dataAt: number | undefined;
  elements: Elements | undefined;
}
const noDraft: Draft = {
  name: undefined,
  datatype: undefined,
  shape: undefined,
  parameters: undefined,
  dataAt: undefined,
  elements: undefined,
};
type Checked = Pick<EnvelopeInput, 'spec' | 'shape' | 'count'>;

function readInput(scanner: JsonScanner, plan: SignaturePlan): EnvelopeInput {
  const draft: Draft = { ...noDraft };
  let checked: Checked | undefined;
  scanner.readMembers((key) => {
    if (key === 'name') draft.name = readText(scanner, 'Each of "inputs" must be an object with a "name".');
    else if (key === 'datatype') draft.datatype = datatypeText(scanner);
    else if (key === 'shape') draft.shape = readShape(scanner, draft.name);
    else if (key === 'parameters') draft.parameters = readParameters(scanner, 'an input');
    else if (key !== 'data') scanner.skip();
    else if (draft.name === undefined || draft.datatype === undefined || draft.shape === undefined) {
      scanner.peek();
      draft.dataAt = scanner.pos;
      scanner.skip();
    } else {
      checked = check(draft, plan);
      draft.elements = readData(scanner, checked);
    }
  });
  checked ??= check(draft, plan);
  const binarySize = countParameter(draft.parameters, 'binary_data_size');
  assertOneSource(checked.spec.name, draft, binarySize);
  const { spec, shape, count } = checked;
  const elements = draft.elements ?? laterData(scanner, checked, draft.dataAt);
  return { spec, shape, count, elements, binarySize };
}

function datatypeText(scanner: JsonScanner): string {
  const value = scanner.readValue();
  return typeof value === 'string' ? value : `${JSON.stringify(value) ?? ''} (not a string)`;
}

function laterData(scanner: JsonScanner, checked: Checked, dataAt: number | undefined): Elements | undefined {
  if (dataAt === undefined) return undefined;
  const after = scanner.pos;
  scanner.pos = dataAt;
  const elements = readData(scanner, checked);
  scanner.pos = after;
  return elements;
}

function assertOneSource(name: string, draft: Draft, binarySize: number | undefined): void {
  if (draft.parameters?.has('shared_memory_region'))
    throw invalidTensor(`input '${name}': shared memory is not supported; send "data" or binary tensor data`);
  const hasData = draft.elements !== undefined || draft.dataAt !== undefined;
  if (!hasData && binarySize === undefined)
    throw invalidTensor(`input '${name}' has no "data" and no 'binary_data_size' in "parameters"`);
  if (hasData && binarySize !== undefined)
    throw invalidTensor(`input '${name}' must set only one of "data" and 'binary_data_size' in "parameters"`);
}

const isDimension = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function readShape(scanner: JsonScanner, name: string | undefined): readonly number[] {
  const shape = scanner.readValue();
  if (Array.isArray(shape) && shape.every(isDimension)) return shape;
  throw invalidTensor(`input '${name ?? '?'}': shape must be an array of sizes, 0 or more each`);
}

function check({ name, datatype, shape }: Draft, plan: SignaturePlan): Checked {
  if (name === undefined) throw invalidRequest('Each of "inputs" must be an object with a "name".');
  const spec = inputSpec(plan, name);
  if (datatype !== spec.datatype)
    throw invalidTensor(
      `input '${name}': datatype is ${datatype === undefined ? 'missing' : JSON.stringify(datatype)}, expected ${spec.datatype}`,
    );
  if (shape === undefined)
    throw invalidTensor(`input '${name}' has no shape, expected ${shapeText(spec.shape)}`);
  return { spec, shape, count: checkedCount(spec, shape, plan.limits) };
}

function complaintsOf({ spec, shape, count }: Checked): Complaints {
  const { name, datatype } = spec;
  return {
    misfit: (index, text, expected) =>
      invalidTensor(`input '${name}': element ${index} is ${text}; ${datatype} takes ${expected}`),
    ragged: (level, found, expected) =>
      invalidTensor(
        `input '${name}': data must be flat or nested as its shape ${shapeText(shape)}; ` +
          `at depth ${level} it has ${found} elements instead of ${expected} elements`,
      ),
    tooMany: () =>
      invalidTensor(
        `input '${name}': data has more elements than the ${count} that shape ${shapeText(shape)} needs`,
      ),
  };
}

/** Reads `data`, flat or nested as the shape. No more is allotted than the bytes that are left could fill. */
function readData(scanner: JsonScanner, checked: Checked): Elements {
  const { spec, shape, count } = checked;
  const { name, datatype } = spec;
  assertJsonDatatype(datatype, 'input', name);
  if (scanner.peek() !== openArray && shape.length > 0)
    throw invalidTensor(`input '${name}': data must be an array`);
  // An element takes two bytes at least, with its comma.
  const capacity = Math.min(count, Math.ceil(scanner.bytesLeft / 2));
  const complaints = complaintsOf(checked);
  const column = new JsonColumn({ datatype, capacity, most: count, complaints });
  const found = readNested(scanner, column);
  if (column.count !== count)
    throw invalidTensor(
      `input '${name}': data has ${column.count} elements; shape ${shapeText(shape)} needs ${count}`,
    );
  if (!isFlatOrNested(found, shape))
    throw invalidTensor(
      `input '${name}': data must be flat or nested as its shape ${shapeText(shape)}; it is nested as ${shapeText(found)}`,
    );
  return column.elements();
}

/** Nested data ends early at a dimension of 0. */
function isFlatOrNested(found: readonly number[], shape: readonly number[]): boolean {
  if (found.length <= 1) return true;
  const isPrefix = found.every((size, axis) => size === shape[axis]);
  return isPrefix && (found.length === shape.length || found.at(-1) === 0);
}
