/**
 * The batcher without HTTP: one runner process, frames in and out over its socket, as the node's front sends them. The front
 * and the load generator cost more than a tiny model, so only here does it show what batching saves.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodecLimits } from '#inference/limits';
import { RunnerProcess } from '../../../apps/node/src/serving/runner-process.js';
import { cpuUs } from '../processes.js';
import { median } from '../quantiles.js';
import { atLeast, table } from '../report.js';
import { binaryBody } from '../tensors.js';
import type { BenchBody } from '../tensors.js';
import { writeModel } from './models.js';
import type { BenchModel } from './models.js';
import type { Part } from './part.js';
import type { Times } from './times.js';

const inFlight = 64;
const targetGain = 4;
const timeoutMs = 60_000;

function startRunner(entryPath: string, model: string, maxBatchSize: number | null): Promise<RunnerProcess> {
  const config = {
    intra_op_threads: 1,
    graph_optimization: 'all',
    warmup: true,
    max_batch_size: maxBatchSize,
    max_queue_delay_us: 0,
    default_timeout_ms: timeoutMs,
  } as const;
  const load = { model, version: '1', entryPath, limits: CodecLimits.parse({}), config };
  const options = { load, loadTimeoutMs: timeoutMs, hardLimitMs: timeoutMs, onLog: () => undefined };
  return RunnerProcess.start(options, () => undefined);
}

interface Window {
  /** Processor time of the runner. */
  readonly cpuUs: number;
  /** The part of it in ONNX Runtime and what goes with it: joining rows, running, giving them back. */
  readonly inferUs: number;
}

/** Keeps `inFlight` requests inside for a while. */
function window(runner: RunnerProcess, { bytes, headers }: BenchBody, durationMs: number): Promise<Window> {
  const headerLength = Number(headers['inference-header-content-length']);
  const pid = runner.pid ?? Number.NaN;
  const endMs = performance.now() + durationMs;
  const before = cpuUs(pid);
  let answered = 0;
  let inferUs = 0;
  let inside = inFlight;
  return new Promise((resolve, reject) => {
    const send = (): void => {
      runner.submit({
        requestId: '-',
        body: [bytes],
        protocol: 'oip',
        headerLength,
        timeoutMs,
        settle: (outcome) => {
          if (outcome.kind === 'failure') return reject(new Error(outcome.message));
          answered += 1;
          if (outcome.timing.batchRows > 0) inferUs += outcome.timing.inferUs;
          if (performance.now() < endMs) return send();
          inside -= 1;
          if (inside === 0) resolve({ cpuUs: (cpuUs(pid) - before) / answered, inferUs: inferUs / answered });
        },
      });
    };
    for (let index = 0; index < inFlight; index += 1) send();
  });
}

async function rowOf(
  folder: string,
  model: BenchModel,
  times: Times,
): Promise<{ readonly cells: string[]; readonly gain: string }> {
  const entryPath = writeModel(folder, model);
  const [single, batched] = [
    await startRunner(entryPath, model.name, 1),
    await startRunner(entryPath, model.name, null),
  ];
  const body = binaryBody(model.inputs);
  const take = (runner: RunnerProcess): Promise<Window> => window(runner, body, times.windowMs);
  for (const runner of [single, batched]) await window(runner, body, times.warmupMs);
  const windows: { readonly alone: Window; readonly together: Window }[] = [];
  for (let round = 0; round < times.targetRounds; round += 1)
    windows.push({ alone: await take(single), together: await take(batched) });
  for (const runner of [single, batched]) runner.kill('the benchmark is over');
  const of = (value: (one: (typeof windows)[number]) => number): number => median(windows.map(value));
  const ratio = of(({ alone, together }) => alone.inferUs / together.inferUs);
  const gain = model.name === 'identity' ? atLeast(ratio, targetGain) : `${ratio.toFixed(2)}×`;
  const cells = [
    model.name,
    of(({ alone }) => alone.inferUs).toFixed(1),
    of(({ together }) => together.inferUs).toFixed(1),
    gain,
    of(({ alone }) => alone.cpuUs).toFixed(1),
    of(({ together }) => together.cpuUs).toFixed(1),
    `${of(({ alone, together }) => alone.cpuUs / together.cpuUs).toFixed(2)}×`,
  ];
  return { cells, gain };
}

/** Markdown of this part. */
export async function runnerPart(models: readonly BenchModel[], times: Times): Promise<Part> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-runner-'));
  const rows: string[][] = [];
  const targets: (readonly [string, string])[] = [];
  for (const model of models) {
    const { cells, gain } = await rowOf(folder, model, times);
    rows.push(cells);
    if (model.name === 'identity')
      targets.push(['batcher: identity, executions alone, beside batches of one', gain]);
  }
  rmSync(folder, { recursive: true, force: true });
  const text = [
    '### The batcher in the runner alone',
    `One runner, ${inFlight} requests of one row inside, binary tensors. Execution is what the batcher shares: joining rows, ` +
      'running the model, giving the rows back. Decoding, encoding and the socket stay per request.',
    table(
      [
        'model',
        'execution µs, batch 1',
        'execution µs, measured',
        'gain',
        'runner CPU µs, batch 1',
        'runner CPU µs, measured',
        'gain',
      ],
      rows,
    ),
  ].join('\n\n');
  return { text, targets };
}
