import { describe, expect, it } from 'vitest';
import type { Signature } from '#contracts/tensors';
import type { Tensor } from '#inference/tensor';
import { failureOf } from './failure-of.js';
import { decodeResultHead, decodeTimeout, fromRunner } from './messages.js';
import { RequestQueue } from './request-queue.js';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
};
const body = (value: number, parameters = {}): Buffer =>
  Buffer.from(
    JSON.stringify({ parameters, inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [value] }] }),
  );

const head = { submittedMs: 0, timeoutMs: 100, protocol: 'oip', headerLength: undefined } as const;

/** A queue over a model whose runs end when the test says. */
function setUp() {
  const sent: { id: number; kind: number; text: string; payload: Buffer }[] = [];
  const runs: { inputs: readonly Tensor[]; finish: () => void }[] = [];
  const clock = { nowMs: 0 };
  const queue = new RequestQueue(
    {
      signature,
      run: (inputs) =>
        new Promise((resolve) =>
          runs.push({ inputs, finish: () => resolve(inputs.map((tensor) => ({ ...tensor, name: 'y' }))) }),
        ),
    },
    {
      label: { model: 'm', version: '1' },
      batching: { enabled: false, costs: [] },
      maxBatchRows: null,
      maxQueueDelayMs: 0,
      hasRows: true,
      isTypical: true,
    },
    {
      send: (id, kind, ...parts) => {
        const payload = Buffer.concat([...parts]);
        sent.push({ id, kind, text: payload.toString(), payload });
      },
      flush: () => undefined,
    },
    () => clock.nowMs,
  );
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { queue, sent, runs, clock, turn };
}

describe('the runner’s queue', () => {
  it('runs in order and answers each request', async () => {
    const { queue, sent, runs, turn } = setUp();
    queue.add(1, body(1), head);
    queue.add(2, body(2), head);
    await turn();
    runs[0]?.finish();
    await turn();
    runs[1]?.finish();
    await turn();
    expect(sent.map(({ id, kind }) => [id, kind])).toEqual([[1, fromRunner.result], [2, fromRunner.result]]); // prettier-ignore
    expect(sent[1]?.text).toContain('"data":[2]');
  });

  it('charges each execution with its own time, also where several run in one turn', async () => {
    const { queue, sent, runs, clock, turn } = setUp();
    const finish = async (run: number, ms: number): Promise<void> => {
      clock.nowMs += ms;
      runs[run]?.finish();
      await turn();
    };
    // Quick ones, until the queue dares to run several in one turn.
    for (let id = 0; id < 8; id += 1) {
      queue.add(id, body(id), head);
      await turn();
      await finish(id, 0);
    }
    queue.add(8, body(8), head);
    queue.add(9, body(9), head);
    await turn();
    expect(runs).toHaveLength(10);
    await finish(8, 5);
    await finish(9, 3);
    const [first, second] = sent.slice(-2).map(({ payload }) => decodeResultHead(payload));
    expect(first).toMatchObject({ inferUs: 5_000, queueUs: 0, computeUs: 5_000, items: 1 });
    expect(second).toMatchObject({ inferUs: 3_000, queueUs: 5_000 });
  });

  it('skips what was cancelled before its turn, not what has begun', async () => {
    const { queue, sent, runs, turn } = setUp();
    queue.add(1, body(1), head);
    queue.add(2, body(2), head);
    await turn();
    queue.cancel(1);
    queue.cancel(2);
    runs[0]?.finish();
    await turn();
    expect(runs).toHaveLength(1);
    expect(sent.map(({ id, kind }) => [id, kind])).toEqual([[2, fromRunner.skipped], [1, fromRunner.result]]); // prettier-ignore
  });

  it('skips what has outlived its deadline while waiting', async () => {
    const { queue, sent, runs, clock, turn } = setUp();
    queue.add(1, body(1), head);
    queue.add(2, body(2), head);
    await turn();
    clock.nowMs = 101;
    runs[0]?.finish();
    await turn();
    expect(sent.at(-1)).toMatchObject({ id: 2, kind: fromRunner.skipped });
    expect(runs).toHaveLength(1);
  });

  it('counts a time-out from the submission, and tells a shorter one of the body at once', async () => {
    const { queue, sent, runs, clock, turn } = setUp();
    clock.nowMs = 40;
    queue.add(1, body(1, { timeout: 30_000 }), head);
    queue.add(2, body(2, { timeout: 60_000 }), head);
    queue.add(3, body(3, { timeout: 200_000 }), { ...head, submittedMs: 10 });
    await turn();
    const told = sent.filter(({ kind }) => kind === fromRunner.timeout);
    expect(told.map(({ id, payload }) => [id, decodeTimeout(payload)])).toEqual([[1, 30], [2, 60]]); // prettier-ignore
    expect(sent).toContainEqual(expect.objectContaining({ id: 1, kind: fromRunner.skipped }));
    expect(runs).toHaveLength(1);
    clock.nowMs = 111;
    runs[0]?.finish();
    await turn();
    expect(sent.at(-1)).toMatchObject({ id: 3, kind: fromRunner.skipped });
  });

  it('answers a bad body and goes on', async () => {
    const { queue, sent, runs, turn } = setUp();
    queue.add(1, Buffer.from('{'), head);
    queue.add(2, body(2), head);
    await turn();
    runs[0]?.finish();
    await turn();
    expect(sent[0]).toMatchObject({ id: 1, kind: fromRunner.failure });
    expect(JSON.parse(sent[0]?.text ?? '')).toMatchObject({ code: 'INVALID_JSON' });
    expect(sent[1]).toMatchObject({ id: 2, kind: fromRunner.result });
  });
});

describe('what ONNX Runtime throws', () => {
  it('is the caller’s mistake when a tensor does not fit, else the model’s', () => {
    const misfit = new Error(
      'Got invalid dimensions for input: x for the following indices\n index: 1 Got: 3 Expected: 4',
    );
    expect(failureOf(misfit)).toMatchObject({ code: 'INVALID_TENSOR' });
    expect(failureOf(new Error('Non-zero status code'))).toMatchObject({ code: 'RUNNER_FAILED' });
  });
});
