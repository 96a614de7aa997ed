/**
 * Reads the answers of two versions for comparison: the Open Inference Protocol's JSON, with or without binary tensors behind it, and
 * TensorFlow Serving's. What cannot be read is undefined, not an error: nobody waits for a comparison.
 */
import { z } from 'zod';
import { Datatype } from '#contracts/tensors';
import { decodeBinary } from '#inference/binary-tensors';
import type { Output, OutputKind } from './output.js';
import { readServableAnswer } from './tfserving-answer.js';

export type Protocol = 'oip' | 'tfserving';

/** An answer as it came. */
export interface Answer {
  readonly body: Buffer;
  /** Bytes of JSON in front of binary tensors; undefined when all of it is JSON. */
  readonly headerLength: number | undefined;
}

const Element = z.union([z.number(), z.string(), z.boolean(), z.null()]);
const Envelope = z.object({
  outputs: z.array(
    z.object({
      name: z.string(),
      datatype: Datatype,
      shape: z.array(z.int().min(0)),
      data: z.array(z.unknown()).optional(),
      parameters: z.object({ binary_data_size: z.int().min(0).optional() }).optional(),
    }),
  ),
});
type WireOutput = z.infer<typeof Envelope>['outputs'][number];

const kinds: Readonly<Record<Datatype, OutputKind>> = {
  BOOL: 'label',
  BYTES: 'label',
  UINT8: 'integer',
  UINT16: 'integer',
  UINT32: 'integer',
  UINT64: 'integer',
  INT8: 'integer',
  INT16: 'integer',
  INT32: 'integer',
  INT64: 'integer',
  FP16: 'float',
  FP32: 'float',
  FP64: 'float',
};

/** NaN and the infinities have no form in JSON; our nodes write them as these words, as Python does. */
const unquotedWords = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(text.replaceAll(unquotedWords, (word) => (word.startsWith('"') ? word : 'null')));
  }
}

/** IEEE 754 binary16 → number. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1_024) * 2 ** (exponent - 15);
}

function fromBinary({ name, datatype, shape }: WireOutput, bytes: Buffer): Output['values'] {
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  const elements = decodeBinary({ name, datatype, shape, count, bytes });
  if (Array.isArray(elements)) return elements;
  return Array.from<number | bigint, number>(elements, (value) =>
    datatype === 'FP16' ? halfToNumber(Number(value)) : Number(value),
  );
}

const fromJson = (data: readonly unknown[]): Output['values'] =>
  z
    .array(Element)
    .parse(data.flat(Infinity))
    .map((value) => value ?? NaN);

function readOutputs({ body, headerLength }: Answer, protocol: Protocol): Output[] {
  const jsonEnd = headerLength ?? body.length;
  const json = parseJson(body.toString('utf8', 0, jsonEnd));
  if (protocol === 'tfserving') return readServableAnswer(json);
  const { outputs } = Envelope.parse(json);
  let offset = jsonEnd;
  return outputs.map((output) => {
    const size = output.parameters?.binary_data_size;
    const values =
      size === undefined
        ? fromJson(output.data ?? [])
        : fromBinary(output, body.subarray(offset, (offset += size)));
    return { name: output.name, kind: kinds[output.datatype], shape: output.shape, values };
  });
}

/** The outputs of an answer; undefined when it is none that can be read. */
export function outputsOf(answer: Answer, protocol: Protocol): Output[] | undefined {
  try {
    return readOutputs(answer, protocol);
  } catch {
    return undefined;
  }
}
