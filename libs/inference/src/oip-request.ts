/**
 * The Open Inference Protocol's request, in JSON, binary or a mixture → typed tensors, checked in full against the
 * signature. What passes here fits the model; what does not is refused with the input's name and what was expected.
 */
import type { TensorSpec } from '#contracts/tensors';
import { decodeBinary, elementBytes, readUtf8 } from './binary-tensors.js';
import { assertClassifiable } from './classification.js';
import { invalidRequest, invalidTensor } from './errors.js';
import { JsonScanner } from './json-scanner.js';
import { readEnvelope } from './oip-envelope.js';
import type { EnvelopeInput, EnvelopeOutput } from './oip-envelope.js';
import { booleanParameter, countParameter, requestParameters } from './oip-parameters.js';
import type { HeadingMemory } from './heading-memory.js';
import type { ResponseEncoder, WantedOutput } from './oip-response.js';
import type { DecodedRequest } from './request.js';
import { checkedCount, completeInputs } from './signature-plan.js';
import type { SignaturePlan } from './signature-plan.js';
import { elementCount } from './tensor.js';
import type { Elements, Tensor } from './tensor.js';
import { assertJsonDatatype, listOf, shapeText } from './words.js';

export interface OipCodec {
  readonly plan: SignaturePlan;
  readonly scanner: JsonScanner;
  readonly encode: ResponseEncoder;
  readonly memory: HeadingMemory<Heading>;
}

/** All that the JSON of a request says. */
export interface Heading {
  readonly id: string | undefined;
  readonly inputs: readonly EnvelopeInput[];
  readonly wanted: readonly WantedOutput[];
  readonly outputs: readonly string[];
  readonly priority: number;
  readonly timeoutUs: number | undefined;
}

/** @throws TensorError */
export function decodeOip(codec: OipCodec, body: Buffer, headerLength: number | undefined): DecodedRequest {
  if (headerLength === 0) return decodeRaw(codec, body);
  if (headerLength !== undefined && !(headerLength <= body.length && Number.isSafeInteger(headerLength)))
    throw invalidRequest(
      `Inference-Header-Content-Length is ${headerLength}, but the body has ${body.length} bytes.`,
    );
  const isBinary = headerLength !== undefined;
  const json = isBinary ? body.subarray(0, headerLength) : body;
  const heading = (isBinary ? codec.memory.find(json) : undefined) ?? readHeading(codec, json, isBinary);
  const { id, inputs, wanted, outputs, priority, timeoutUs } = heading;
  return {
    inputs: readInputs(codec.plan, inputs, isBinary ? body.subarray(headerLength) : undefined),
    outputs,
    priority,
    timeoutUs,
    encode: (results) => codec.encode(results, wanted, id),
  };
}

function readHeading({ plan, scanner, memory }: OipCodec, json: Buffer, isBinary: boolean): Heading {
  scanner.open(json);
  try {
    const { id, inputs, outputs, parameters } = readEnvelope(scanner, plan);
    const { binaryOutput, priority, timeoutUs } = requestParameters(parameters);
    const wanted = wantedOutputs(plan, outputs, binaryOutput);
    const heading = { id, inputs, wanted, outputs: wanted.map(({ name }) => name), priority, timeoutUs };
    // An id makes it unlike any other; tensors in JSON are read into memory of their own.
    if (isBinary && !id && inputs.every(({ elements }) => elements === undefined)) memory.keep(json, heading);
    return heading;
  } finally {
    scanner.close();
  }
}

/** Joins the inputs with the binary tensors, which follow the JSON in the order of the inputs. */
function readInputs(
  plan: SignaturePlan,
  inputs: readonly EnvelopeInput[],
  tail: Buffer | undefined,
): Tensor[] {
  const tensors = new Map<string, Tensor>();
  let offset = 0;
  for (const input of inputs) {
    const { spec, shape, binarySize = 0 } = input;
    const { name, datatype } = spec;
    if (tensors.has(name)) throw invalidTensor(`input '${name}' is given twice`);
    const elements = input.elements ?? readTail(input, tail, offset);
    if (input.elements === undefined) offset += binarySize;
    tensors.set(name, { name, datatype, shape, elements });
  }
  const left = (tail?.length ?? 0) - offset;
  if (left > 0)
    throw invalidRequest(
      `unexpected additional input data: ${left} bytes follow the binary tensors that "inputs" announce`,
    );
  return completeInputs(plan, tensors);
}

function readTail({ spec, shape, count, binarySize = 0 }: EnvelopeInput, tail: Buffer | undefined, offset: number): Elements {
  const { name, datatype } = spec;
  if (tail === undefined)
    throw invalidRequest(
      `input '${name}': must specify valid 'Inference-Header-Content-Length' in request header and ` +
        `'binary_data_size' when passing inputs in binary data format`,
    );
  if (offset + binarySize > tail.length)
    throw invalidTensor(
      `unexpected size for input '${name}', expecting ${offset + binarySize - tail.length} additional bytes`,
    );
  return decodeBinary({ name, datatype, shape, count, bytes: tail.subarray(offset, offset + binarySize) });
} // prettier-ignore

function wantedOutputs(
  plan: SignaturePlan,
  outputs: readonly EnvelopeOutput[] = [],
  binaryOutput: boolean,
): readonly WantedOutput[] {
  const wanted =
    outputs.length > 0
      ? outputs.map((output) => wantedOutput(plan, output, binaryOutput))
      : plan.signature.outputs.map(({ name }) => ({ name, isBinary: binaryOutput, classes: 0 }));
  const names = new Set<string>();
  for (const { name, isBinary, classes } of wanted) {
    if (names.has(name)) throw invalidTensor(`output '${name}' is asked for twice`);
    names.add(name);
    const spec = plan.outputs.get(name);
    if (spec && !isBinary && classes === 0) assertJsonDatatype(spec.datatype, 'output tensor', name);
  }
  return wanted;
}

function wantedOutput(plan: SignaturePlan, output: EnvelopeOutput, binaryOutput: boolean): WantedOutput {
  const { name, parameters } = output;
  const spec = plan.outputs.get(name);
  if (!spec) throw invalidTensor(`unknown output '${name}'; the model gives ${listOf(plan.outputs.keys())}`);
  if (parameters?.has('shared_memory_region'))
    throw invalidTensor(`output '${name}': shared memory is not supported`);
  const classes = countParameter(parameters, 'classification') ?? 0;
  if (classes > 0) assertClassifiable(spec);
  return { name, isBinary: booleanParameter(parameters, 'binary_data') ?? binaryOutput, classes };
}

/** Triton's raw request: the body is the data of the only input, whose one dynamic dimension follows from its size. */
function decodeRaw({ plan, encode }: OipCodec, body: Buffer): DecodedRequest {
  const [spec, ...others] = plan.signature.inputs;
  if (!spec || others.length > 0)
    throw invalidRequest(
      `A raw binary request needs a model with one input; this one takes ${listOf(plan.inputs.keys())}.`,
    );
  const { name, datatype } = spec;
  const shape = rawShape(spec, body.length);
  const count = checkedCount(spec, shape, plan.limits);
  const elements =
    datatype === 'BYTES'
      ? [readUtf8(body, () => invalidTensor(`input '${name}': the body is not UTF-8`))]
      : decodeBinary({ name, datatype, shape, count, bytes: body });
  const wanted = plan.signature.outputs.map((output) => ({ name: output.name, isBinary: true, classes: 0 }));
  return {
    inputs: [{ name, datatype, shape, elements }],
    outputs: wanted.map((output) => output.name),
    priority: 0,
    timeoutUs: undefined,
    encode: (results) => encode(results, wanted, undefined),
  };
}

function rawShape({ name, datatype, shape }: TensorSpec, bytes: number): readonly number[] {
  const dynamic = shape.flatMap((size, axis) => (size < 0 ? [axis] : []));
  const ones = shape.map((size) => Math.max(size, 1));
  const elementSize = elementBytes(datatype);
  const isOneElement = elementCount(ones) === 1;
  if (elementSize === undefined) {
    if (isOneElement) return ones;
    throw invalidTensor(`input '${name}': a raw binary request carries one element of BYTES, not ${shapeText(shape)}`);
  }
  // The batch of a raw request is 1, so a second dynamic dimension can still be told.
  const unknown = dynamic.length === 2 && dynamic[0] === 0 ? dynamic.slice(1) : dynamic;
  if (unknown.length > 1)
    throw invalidTensor(
      `input '${name}': the shape of a raw binary request cannot be told, as ${shapeText(shape)} has several dynamic dimensions`,
    );
  const [axis] = unknown;
  if (axis === undefined) return ones;
  const rest = elementCount(shape.map((size) => (size < 0 ? 1 : size))) * elementSize;
  const size = rest === 0 ? 0 : bytes / rest;
  if (!Number.isInteger(size))
    throw invalidTensor(`input '${name}': ${bytes} bytes are no multiple of ${rest}, as ${shapeText(shape)} of ${datatype} needs`);
  return ones.map((one, index) => (index === axis ? size : one));
} // prettier-ignore
