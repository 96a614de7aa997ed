/** Time in the codecs alone, in this process: an image of 1×3×224×224 floats in and out, as JSON and as binary. */
import type { Signature } from '#contracts/tensors';
import { createDecoder } from '#inference/codec';
import type { Tensor } from '#inference/tensor';
import { median } from '../quantiles.js';
import { atLeast, table } from '../report.js';
import { binaryBody, floats, jsonBody } from '../tensors.js';
import type { BenchBody } from '../tensors.js';
import type { Part } from './part.js';
import type { Times } from './times.js';

const shape = [1, 3, 224, 224];
const image = floats('x', ...shape);
const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3, 224, 224] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 3, 224, 224] }],
};
const output: Tensor = { name: 'y', datatype: 'FP32', shape, elements: image.elements };
const binaryGain = 20;
const jsonGain = 1.5;

function medianMs(runs: number, work: () => unknown): number {
  const times = Array.from({ length: runs }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
  return median(times);
}

/** The same image as nested arrays, as most clients write it. */
function nestedBody(): Buffer {
  const flat = Array.from(image.elements as Float32Array, (value) => Number(value.toFixed(3)));
  const chunks = <T>(list: readonly T[], size: number): T[][] =>
    Array.from({ length: list.length / size }, (_, index) => list.slice(index * size, (index + 1) * size));
  const data = [chunks(chunks(flat, 224), 224)];
  return Buffer.from(JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape, data }] }));
}

type Nested = number | readonly Nested[];
function parseAndFlatten(body: Buffer): Float32Array {
  const parsed = JSON.parse(body.toString()) as { inputs: [{ data: Nested[] }] };
  return Float32Array.from(parsed.inputs[0].data.flat(Infinity as 1) as number[]);
}

function decodeAndEncode(body: BenchBody, runs: number): { decodeMs: number; encodeMs: number } {
  const decode = createDecoder(signature, { model: 'image', version: '1' });
  const header = body.headers['inference-header-content-length'];
  const headerLength = header === undefined ? undefined : Number(header);
  const once = (): ReturnType<typeof decode> => decode('oip', body.bytes, headerLength);
  const request = once();
  return {
    decodeMs: medianMs(runs, once),
    encodeMs: medianMs(runs, () => request.encode([output])),
  };
}

/** Markdown of this part. */
export function codecPart({ codecRuns }: Times): Part {
  const nested = { bytes: nestedBody(), headers: {} };
  const json = jsonBody([image]);
  const ours = {
    json: decodeAndEncode(json, codecRuns),
    nested: decodeAndEncode(nested, codecRuns),
    binary: decodeAndEncode(binaryBody([image]), codecRuns),
  };
  const parsed = {
    json: medianMs(codecRuns, () => parseAndFlatten(json.bytes)),
    nested: medianMs(codecRuns, () => parseAndFlatten(nested.bytes)),
  };
  const sum = ({ decodeMs, encodeMs }: { decodeMs: number; encodeMs: number }): number => decodeMs + encodeMs;
  const row = (name: string, { decodeMs, encodeMs }: typeof ours.json, beside: string): string[] => [
    name,
    decodeMs.toFixed(2),
    encodeMs.toFixed(2),
    beside,
  ];
  const binary = atLeast(sum(ours.json) / sum(ours.binary), binaryGain);
  const [flat, deep] = [
    atLeast(parsed.json / ours.json.decodeMs, jsonGain),
    atLeast(parsed.nested / ours.nested.decodeMs, jsonGain),
  ];
  const text = [
    '### Codecs: 1×3×224×224 FP32',
    table(
      ['body', 'decode ms', 'encode ms', 'ratio'],
      [
        row('binary', ours.binary, `JSON takes ${binary}`),
        row('JSON, flat', ours.json, `parse takes ${flat}`),
        row('JSON, nested', ours.nested, `parse takes ${deep}`),
        ['JSON.parse + flatten, flat', parsed.json.toFixed(2), '', ''],
        ['JSON.parse + flatten, nested', parsed.nested.toFixed(2), '', ''],
      ],
    ),
  ].join('\n\n');
  return {
    text,
    targets: [
      ['codec: JSON beside binary, decoding and encoding', binary],
      ['codec: JSON.parse and flatten beside decoding, flat', flat],
      ['codec: JSON.parse and flatten beside decoding, nested', deep],
    ],
  };
}
