/**
 * TensorFlow Serving's `:predict` body → typed tensors: rows (`instances`) or columns (`inputs`), whose shapes are found
 * while they are read. Refusals are in TensorFlow Serving's words (json_tensor.cc) where it has some.
 */
import type { TensorSpec } from '#contracts/tensors';
import { invalidRequest, invalidTensor } from './errors.js';
import type { TensorError } from './errors.js';
import { JsonColumn, readNested } from './json-column.js';
import type { Complaints } from './json-column.js';
import { closeArray, openArray, openObject, quote } from './json-scanner.js';
import type { JsonScanner } from './json-scanner.js';
import type { DecodedRequest } from './request.js';
import { checkedCount, completeInputs, inputSpec } from './signature-plan.js';
import type { SignaturePlan } from './signature-plan.js';
import { elementCount } from './tensor.js';
import type { Tensor } from './tensor.js';
import { predictEncoder } from './tfserving-response.js';
import { assertJsonDatatype, listOf, shapeText } from './words.js';

export interface TfServingCodec {
  readonly plan: SignaturePlan;
  readonly scanner: JsonScanner;
}

/** TensorFlow's names of the datatypes, as its refusals write them. */
const typeNames: Readonly<Partial<Record<string, string>>> = {
  BOOL: 'bool',
  FP32: 'float',
  FP64: 'double',
  BYTES: 'string',
};

function jsonType(text: string): string {
  if (text.startsWith('"')) return 'String';
  if (text.startsWith('[')) return 'Array';
  if (text.startsWith('{')) return 'Object';
  if (text === 'null') return 'Null';
  if (text === 'true') return 'True';
  return text === 'false' ? 'False' : 'Number';
}

const complaintsOf = ({ name, datatype }: TensorSpec): Complaints => ({
  misfit: (index, text, expected) =>
    invalidTensor(
      datatype === 'BYTES' && text.startsWith('{')
        ? `JSON Value: ${text} not formatted correctly for base64 data (input '${name}', UTF-8 only)`
        : `JSON Value: ${text} Type: ${jsonType(text)} is not of expected type: ` +
            `${typeNames[datatype] ?? datatype.toLowerCase()} (input '${name}', element ${index}: ${expected})`,
    ),
  ragged: (level, found, expected) =>
    invalidTensor(
      found === 'no array'
        ? `Encountered a value instead of a list at level: ${level} (input '${name}')`
        : `Encountered list at unexpected size: ${found} at level: ${level} expected size: ${expected} (input '${name}')`,
    ),
  tooMany: (most) => invalidTensor(`input '${name}': a tensor may have ${most} elements here`),
});

/** A column that grows; `rows` is a first guess. */
export function growingColumn({ plan, scanner }: TfServingCodec, spec: TensorSpec, rows: number): JsonColumn {
  const { name, datatype, shape } = spec;
  assertJsonDatatype(datatype, 'input', name);
  // An element takes two bytes at least, with its comma.
  const most = Math.min(plan.limits.maxElements, Math.ceil(scanner.bytesLeft / 2));
  const capacity = Math.min(most, rows * elementCount(shape.map(Math.abs)));
  return new JsonColumn({ datatype, capacity, most, complaints: complaintsOf(spec) });
}

export function tensorOf(plan: SignaturePlan, spec: TensorSpec, shape: number[], column: JsonColumn): Tensor {
  checkedCount(spec, shape, plan.limits);
  return { name: spec.name, datatype: spec.datatype, shape, elements: column.elements() };
}

/** There is one signature, TensorFlow's default one. */
export function readSignatureName(scanner: JsonScanner, refuse: (name: string) => string): void {
  if (scanner.peek() !== quote)
    throw invalidRequest("JSON Value: not formatted correctly. 'signature_name' key must be a string value.");
  const name = scanner.readString();
  if (name !== '' && name !== 'serving_default') throw invalidRequest(refuse(name));
}

export function assertObject(scanner: JsonScanner): void {
  if (scanner.bytesLeft === 0) throw invalidRequest('JSON Parse error: The document is empty');
  if (scanner.peek() === openObject) return;
  const start = scanner.pos;
  scanner.skip();
  throw invalidRequest(`JSON Value: ${scanner.text(start, scanner.pos, 200)} Is not object`);
}

/** Whether the next value is an object of named tensors, and not TensorFlow Serving's `{"b64": …}`. */
function isNamed(scanner: JsonScanner): boolean {
  if (scanner.peek() !== openObject) return false;
  const start = scanner.pos;
  let isBase64 = false;
  let members = 0;
  scanner.readMembers((key) => {
    isBase64 = key === 'b64' && scanner.peek() === quote;
    members += 1;
    scanner.skip();
  });
  scanner.pos = start;
  return !(isBase64 && members === 1);
}

/** @throws TensorError */
export function decodePredict(codec: TfServingCodec, body: Buffer): DecodedRequest {
  const { plan, scanner } = codec;
  scanner.open(body);
  try {
    assertObject(scanner);
    let form: 'instances' | 'inputs' | undefined;
    let tensors: Map<string, Tensor> | undefined;
    scanner.readMembers((key) => {
      if (key === 'signature_name')
        readSignatureName(scanner, (name) => `Serving signature key "${name}" not found.`);
      else if (key !== 'instances' && key !== 'inputs') scanner.skip();
      else if (form !== undefined) throw bothForms();
      else {
        form = key;
        tensors = key === 'instances' ? readInstances(codec) : readColumns(codec);
      }
    });
    scanner.finish();
    if (tensors === undefined || form === undefined)
      throw invalidRequest("Missing 'inputs' or 'instances' key");
    for (const { name, datatype } of plan.signature.outputs)
      assertJsonDatatype(datatype, 'output tensor', name);
    return {
      inputs: completeInputs(plan, tensors),
      outputs: [...plan.outputs.keys()],
      priority: 0,
      timeoutUs: undefined,
      encode: predictEncoder(form),
    };
  } finally {
    scanner.close();
  }
}

const bothForms = (): TensorError =>
  invalidRequest("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist");

function soleInput(plan: SignaturePlan, problem: string): TensorSpec {
  const [spec, ...others] = plan.signature.inputs;
  if (spec && others.length === 0) return spec;
  throw invalidTensor(`${problem} (${listOf(plan.inputs.keys())})`);
}

function readColumns(codec: TfServingCodec): Map<string, Tensor> {
  const { plan, scanner } = codec;
  const tensors = new Map<string, Tensor>();
  const read = (spec: TensorSpec): void => {
    const column = growingColumn(codec, spec, 1);
    const shape = readNested(scanner, column);
    tensors.set(spec.name, tensorOf(plan, spec, shape, column));
  };
  if (!isNamed(scanner)) {
    const problem =
      'inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map';
    read(soleInput(plan, problem));
    return tensors;
  }
  scanner.readMembers((key) => {
    // TensorFlow Serving passes over names that it does not know, which hides a caller's mistake.
    read(inputSpec(plan, key));
  });
  for (const name of plan.inputs.keys())
    if (!tensors.has(name)) throw invalidTensor(`Missing named input: ${name} in 'inputs' object.`);
  return tensors;
}

function readInstances(codec: TfServingCodec): Map<string, Tensor> {
  const { plan, scanner } = codec;
  if (scanner.peek() !== openArray) throw invalidRequest("Expecting 'instances' to be an list/array");
  const start = scanner.pos;
  if (!scanner.enter(openArray)) throw invalidRequest("No values in 'instances' array");
  if (isNamed(scanner)) return readNamedRows(codec);
  scanner.reenter(start);
  const problem =
    'instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map';
  const spec = soleInput(plan, problem);
  const column = growingColumn(codec, spec, 1);
  const shape = readNested(scanner, column);
  return new Map([[spec.name, tensorOf(plan, spec, shape, column)]]);
}

interface Rows {
  readonly spec: TensorSpec;
  readonly column: JsonColumn;
  /** The shape of one row, once one has been read. */
  shape?: readonly number[];
}

/** Reads `[{input: value, …}, …]`, whose bracket has been read. */
function readNamedRows(codec: TfServingCodec): Map<string, Tensor> {
  const { plan, scanner } = codec;
  const inputs = new Map<string, Rows>();
  for (const spec of plan.signature.inputs)
    inputs.set(spec.name, { spec, column: growingColumn(codec, spec, 1) });
  let rows = 0;
  do {
    if (!isNamed(scanner)) throw invalidTensor(`Expecting object but got list at item ${rows} of input list`);
    let given = 0;
    scanner.readMembers((key) => {
      const input = inputs.get(key);
      const where = `Failed to process element: ${rows} key: ${key} of 'instances' list. Error: INVALID_ARGUMENT: `;
      if (!input) throw invalidTensor(`${where}JSON object: does not have named input: ${key}`);
      readRow(scanner, input, where);
      given += 1;
    });
    if (given < inputs.size)
      throw invalidTensor(
        `Failed to process element: ${rows} of 'instances' list. JSON object: keys must be equal to: ${[...inputs.keys()].join(',')}`,
      );
    rows += 1;
  } while (scanner.more(closeArray));
  return new Map(
    Array.from(inputs.values(), ({ spec, column, shape = [] }) => [
      spec.name,
      tensorOf(plan, spec, [rows, ...shape], column),
    ]),
  );
}

function readRow(scanner: JsonScanner, input: Rows, where: string): void {
  const shape = readNested(scanner, input.column);
  const expected = (input.shape ??= shape);
  if (shape.length !== expected.length || shape.some((size, axis) => size !== expected[axis]))
    throw invalidTensor(`${where}Expecting shape ${shapeText(expected)} but got: ${shapeText(shape)}`);
}
