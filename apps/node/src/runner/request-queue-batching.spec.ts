import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Signature } from '#contracts/tensors';
import { batchSizes } from '#inference/batching/cost-table';
import type { Cost } from '#inference/batching/cost-table';
import type { Tensor } from '#inference/tensor';
import { encodeMessage, fromRunner, resultHeadBytes } from './messages.js';
import { RequestQueue } from './request-queue.js';
import type { Model, QueueOptions } from './request-queue.js';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }],
  outputs: [
    { name: 'doubled', datatype: 'FP32', shape: [-1, -1] },
    { name: 'sums', datatype: 'FP32', shape: [-1] },
  ],
};
/** A row that holds it makes the whole execution fail. */
const poison = -1;

function compute({ shape, elements }: Tensor, output: string): Tensor {
  const [rows = 0, width = 0] = shape;
  const values = Array.from(elements as Float32Array);
  if (values.includes(poison)) throw new Error('a row is poisoned');
  if (output === 'doubled')
    return { name: output, datatype: 'FP32', shape, elements: Float32Array.from(values, (v) => v * 2) };
  const sums = Float32Array.from({ length: rows }, (_, row) =>
    values.slice(row * width, (row + 1) * width).reduce((sum, value) => sum + value, 0),
  );
  return { name: output, datatype: 'FP32', shape: [rows], elements: sums };
}

interface Request {
  readonly rows: number;
  readonly width: number;
  readonly values: readonly number[];
  readonly outputs: readonly string[];
  readonly priority: number;
  readonly timeoutMs?: number;
}

function bodyOf({ rows, width, values, outputs, priority }: Request): Buffer {
  const data = Array.from({ length: rows * width }, (_, index) => values[index % values.length]);
  return encodeMessage({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, width], data }],
    outputs: outputs.map((name) => ({ name })),
    parameters: { priority },
  });
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Bench {
  readonly answers = new Map<number, string>();
  /** Rows of each execution that was begun. */
  readonly executions: number[] = [];
  /** Ids in the order of their answers. */
  readonly order: number[] = [];
  private readonly queue: RequestQueue;
  private all: () => void = () => undefined;
  private added = 0;

  constructor(options: Partial<QueueOptions>) {
    const model: Model = {
      signature,
      run: async (inputs, outputs) => {
        this.executions.push(inputs[0]?.shape[0] ?? 0);
        await nextTurn();
        return inputs.flatMap((input) => outputs.map((output) => compute(input, output)));
      },
    };
    const defaults: QueueOptions = {
      label: { model: 'm', version: '1' },
      batching: { enabled: true, costs: batchSizes.map((rows) => ({ rows, ms: 1 })) },
      maxBatchRows: null,
      maxQueueDelayMs: 0,
      hasRows: true,
      isTypical: true,
    };
    const sink = { send: this.send.bind(this), flush: () => undefined };
    this.queue = new RequestQueue(model, { ...defaults, ...options }, sink, () => 0);
  }

  add(request: Request): void {
    const head = {
      submittedMs: 0,
      timeoutMs: request.timeoutMs ?? 60_000,
      protocol: 'oip',
      headerLength: undefined,
    } as const;
    this.queue.add((this.added += 1), bodyOf(request), head);
  }

  whenAnswered(): Promise<void> {
    return new Promise((resolve) => {
      this.all = () => {
        if (this.answers.size === this.added) resolve();
      };
      this.all();
    });
  }

  private send(id: number, kind: number, ...parts: readonly Buffer[]): void {
    const payload = Buffer.concat([...parts]);
    const body = kind === fromRunner.result ? payload.subarray(resultHeadBytes) : payload;
    expect(this.answers.has(id)).toBe(false);
    this.answers.set(id, `${kind} ${body.toString()}`);
    this.order.push(id);
    this.all();
  }
}

const request: fc.Arbitrary<Request> = fc.record({
  rows: fc.integer({ min: 1, max: 9 }),
  width: fc.integer({ min: 1, max: 3 }),
  values: fc.array(fc.integer({ min: poison, max: 9 }), { minLength: 1, maxLength: 6 }),
  outputs: fc.constantFrom(['doubled'], ['sums'], ['sums', 'doubled']),
  priority: fc.nat({ max: 3 }),
});
/** What arrives in one turn of the event loop, and then the turn ends. */
const interleaving = fc.array(fc.array(request, { maxLength: 6 }), { minLength: 1, maxLength: 5 });
const costs: fc.Arbitrary<Cost[]> = fc
  .array(fc.integer({ min: 1, max: 20 }), { minLength: 6, maxLength: 6 })
  .map((ms) => ms.map((each, index) => ({ rows: batchSizes[index] ?? 1, ms: each })));

async function answersOf(
  turns: readonly (readonly Request[])[],
  options: Partial<QueueOptions>,
): Promise<ReadonlyMap<number, string>> {
  const bench = new Bench(options);
  for (const turn of turns) {
    for (const one of turn) bench.add(one);
    await nextTurn();
  }
  await bench.whenAnswered();
  return bench.answers;
}

const row = (value: number, over: Partial<Request> = {}): Request => ({
  rows: 1,
  width: 1,
  values: [value],
  outputs: ['doubled'],
  priority: 0,
  ...over,
});

describe('a batching queue', () => {
  it('answers any interleaving of shapes and sizes as batch size 1 does, and fails only the culprits', async () => {
    await fc.assert(
      fc.asyncProperty(
        interleaving,
        costs,
        fc.option(fc.integer({ min: 2, max: 8 })),
        async (turns, ms, max) => {
          const batched = await answersOf(turns, {
            batching: { enabled: true, costs: ms },
            maxBatchRows: max,
          });
          const single = await answersOf(turns, { batching: { enabled: false, costs: [] }, maxBatchRows: 1 });
          expect(new Map([...batched].sort())).toEqual(new Map([...single].sort()));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('runs what has arrived together as one', async () => {
    const bench = new Bench({});
    for (let value = 0; value < 8; value += 1) bench.add(row(value));
    await bench.whenAnswered();
    expect(bench.executions).toEqual([8]);
  });

  it.each([
    ['where the cost per row stops falling', (rows: number) => (rows <= 4 ? 4 : rows * 2), [4, 4, 1]],
    ['down to single rows where batches do not pay', (rows: number) => rows * 1.2, Array(9).fill(1)],
  ])('cuts a large request, %s', async (_, msOf, executions) => {
    const bench = new Bench({
      batching: { enabled: true, costs: batchSizes.map((rows) => ({ rows, ms: msOf(rows) })) },
    });
    bench.add(row(3, { rows: 9 }));
    await bench.whenAnswered();
    expect(bench.executions).toEqual(executions);
  });

  it('serves higher priorities first', async () => {
    const bench = new Bench({ maxBatchRows: 1 });
    for (const priority of [0, 2, 1]) bench.add(row(priority, { priority }));
    await bench.whenAnswered();
    expect(bench.order).toEqual([3, 2, 1]);
  });

  it('refuses what would miss its deadline behind the others, before it waits', async () => {
    const bench = new Bench({ batching: { enabled: true, costs: [{ rows: 1, ms: 40 }] } });
    for (const timeoutMs of [1_000, 1_000, 100, 200]) bench.add(row(1, { timeoutMs }));
    await bench.whenAnswered();
    const kinds = [...bench.answers].sort().map(([, text]) => Number(text.split(' ')[0]));
    expect(kinds).toEqual([fromRunner.result, fromRunner.result, fromRunner.failure, fromRunner.result]);
    expect(bench.answers.get(3)).toContain('OVERLOADED');
  });

  it('waits for company only as long as the config says, and no longer than a full batch needs', async () => {
    const bench = new Bench({ maxBatchRows: 2, maxQueueDelayMs: 60_000 });
    bench.add(row(1));
    await nextTurn();
    expect(bench.executions).toEqual([]);
    bench.add(row(2));
    await bench.whenAnswered();
    expect(bench.executions).toEqual([2]);
  });
});
