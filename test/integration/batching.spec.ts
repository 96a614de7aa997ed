/** Requests that share executions, on real models: each gets its own rows back, and its own error. */
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NodeUnderTest } from '../support/node.js';
import type { Answer } from '../support/node.js';
import { identityModel, onnxModel } from '../support/onnx-model.js';

let node: NodeUnderTest;
beforeAll(async () => {
  node = await NodeUnderTest.start();
});
afterAll(() => node.close());

/** All that is sent within the delay shares executions, however fast the machine is. */
const together = { instances: 1, max_batch_size: 64, max_queue_delay_us: 200_000 };

const Statistics = z.object({
  model_stats: z.tuple([z.object({ inference_count: z.number(), execution_count: z.number() })]),
});
const statistics = async (model: string) =>
  Statistics.parse((await node.send('GET', `/v2/models/${model}/stats`)).body).model_stats[0];

const rows = (index: number): number => (index % 3) + 1;
const send = (model: string, index: number, width = 2): Promise<Answer> =>
  node.infer(model, [
    {
      name: 'x',
      datatype: 'FP32',
      shape: [rows(index), width],
      data: Array.from({ length: rows(index) * width }, (_, at) => index + at / 8),
    },
  ]);
const dataOf = ({ body }: Answer): unknown =>
  z.object({ outputs: z.tuple([z.object({ data: z.array(z.number()) })]) }).parse(body).outputs[0].data;

/** Queue, batch, rows, own share: what the node tells its gateway. */
const rowsTold = ({ headers }: Answer): number => {
  const [, , rows, ownUs] = String(headers.get('x-sluice-timing')).split(',').map(Number);
  expect(ownUs).toBeGreaterThan(0);
  return rows ?? -1;
};

describe('a model that batches', () => {
  it('is found out at warm-up, with what batches cost', async () => {
    const { report } = await node.load({
      model: 'echo',
      files: { 'model.onnx': identityModel('FP32', ['n', 'width']) },
      config: together,
    });
    expect(report.profile?.batching).toMatchObject({ enabled: true, reason: null, tolerance: 0 });
    expect(report.profile?.batching?.costs[0]).toMatchObject({ rows: 1 });
  });

  it('gives each request its own rows, in fewer executions', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => send('echo', index)));
    for (const [index, answer] of answers.entries())
      expect(dataOf(answer)).toEqual(Array.from({ length: rows(index) * 2 }, (_, at) => index + at / 8));
    const { inference_count: inferences, execution_count: executions } = await statistics('echo');
    expect(inferences).toBe(120);
    expect(executions).toBeLessThan(30);
  });

  it('keeps shapes apart that cannot be joined', async () => {
    const widths = Array.from({ length: 20 }, (_, index) => (index % 2) + 1);
    const answers = await Promise.all(widths.map((width, index) => send('echo', index, width)));
    for (const [index, answer] of answers.entries())
      expect(dataOf(answer)).toHaveLength(rows(index) * (widths[index] ?? 0));
  });

  it('runs a caller’s own batch in pieces when it is larger than pays off', async () => {
    const before = await statistics('echo');
    const data = Array.from({ length: 300 }, (_, at) => at);
    const answer = await node.infer('echo', [{ name: 'x', datatype: 'FP32', shape: [300, 1], data }]);
    expect(dataOf(answer)).toEqual(data);
    expect(rowsTold(answer)).toBe(300);
    const after = await statistics('echo');
    expect(after.inference_count - before.inference_count).toBe(300);
    // Four of 64 rows, and one of the other 44.
    expect(after.execution_count - before.execution_count).toBe(5);
  });

  it('lets only the culprit fail', async () => {
    const table = Buffer.from(Float32Array.of(10, 11, 12, 13).buffer);
    const lookup = onnxModel({
      inputs: [{ name: 'row', type: 'INT64', shape: ['n'] }],
      outputs: [{ name: 'y', type: 'FP32', shape: ['n'] }],
      ops: [{ type: 'Gather', inputs: ['table', 'row'], outputs: ['y'] }],
      externals: [{ name: 'table', type: 'FP32', shape: [4], location: 'table.bin', length: table.length }],
    });
    const { report } = await node.load({
      model: 'lookup',
      files: { 'model.onnx': lookup, 'table.bin': table },
      config: together,
    });
    expect(report.profile?.batching).toMatchObject({ enabled: true });
    const wanted = [0, 3, 99, 1, 2];
    const answers = await Promise.all(
      wanted.map((row) =>
        node.infer('lookup', [{ name: 'row', datatype: 'INT64', shape: [1], data: [row] }]),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 500, 200, 200]);
    expect(answers.flatMap((answer) => (answer.status === 200 ? dataOf(answer) : []))).toEqual([
      10, 13, 11, 12,
    ]);
  });
});

describe('batching is off, with the reason', () => {
  it('where a dimension is fixed', async () => {
    const { report } = await node.load({
      model: 'fixed',
      files: { 'model.onnx': identityModel('FP32', [2, 2]) },
    });
    expect(report.profile?.batching).toMatchObject({
      enabled: false,
      reason: "input 'x' has no leading dynamic dimension",
    });
  });

  it('where rows depend on each other', async () => {
    const softmaxOverRows = onnxModel({
      inputs: [{ name: 'x', type: 'FP32', shape: ['n', 2] }],
      outputs: [{ name: 'y', type: 'FP32', shape: ['n', 2] }],
      ops: [
        { type: 'Transpose', inputs: ['x'], outputs: ['columns'] },
        { type: 'Softmax', inputs: ['columns'], outputs: ['shares'] },
        { type: 'Transpose', inputs: ['shares'], outputs: ['y'] },
      ],
    });
    const { report } = await node.load({ model: 'entangled', files: { 'model.onnx': softmaxOverRows } });
    expect(report.profile?.batching?.reason).toMatch(/a batch of 2 answers otherwise than two singles/);
  });

  it('where the config says so', async () => {
    const files = { 'model.onnx': identityModel('FP32', ['n', 2]) };
    const { report } = await node.load({ model: 'single', files, config: { max_batch_size: 1 } });
    expect(report.profile?.batching).toMatchObject({ enabled: false, reason: 'max_batch_size is 1' });
    const x = { name: 'x', datatype: 'FP32', data: [1, 2, 3, 4, 5, 6] } as const;
    // Rows are counted for quotas and usage all the same; a model without a dynamic dimension has none.
    expect(rowsTold(await node.infer('single', [{ ...x, shape: [3, 2] }]))).toBe(3);
    expect(rowsTold(await node.infer('fixed', [{ ...x, shape: [2, 2], data: [1, 2, 3, 4] }]))).toBe(1);
  });
});
