/**
 * The only module that knows onnxruntime-node: loads one model, reads its signature from the session, warms it up,
 * measures it, runs it. `create` and `run` block the thread, which is why this lives in a process of its own.
 */
import { createRequire } from 'node:module';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Datatype, Profile, Signature, TensorSpec } from '#contracts/tensors';
import { zeros } from '#inference/tensor';
import type { Tensor } from '#inference/tensor';
import type { LoadMessage, LoadedMessage } from './messages.js';
import { probeBatching } from './batch-probe.js';
import { cleanReason } from './reason.js';

// With a native Float16Array (Node 23 on), the binding misreads FP16 tensors; without it, it takes their bits as Uint16Array.
if ('Float16Array' in globalThis) Reflect.deleteProperty(globalThis, 'Float16Array');
const ort = createRequire(import.meta.url)('onnxruntime-node') as typeof import('onnxruntime-node');

/** The model cannot be loaded; `message` says why in ONNX Runtime's words. */
export class UnloadableModelError extends Error {
  override readonly name = 'UnloadableModelError';

  /** False when this machine was at fault: another try, or another node, may succeed. */
  get permanent(): boolean {
    return !/bad_alloc|Failed to allocate|File doesn't exist/i.test(this.message);
  }
}

const datatypeOf: Readonly<Partial<Record<OrtTensor.Type, Datatype>>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
};
const ortTypeOf = Object.fromEntries(
  Object.entries(datatypeOf).map(([type, datatype]) => [datatype, type]),
) as Record<Datatype, OrtTensor.Type>;

function toSpecs(side: string, metadata: readonly InferenceSession.ValueMetadata[]): TensorSpec[] {
  return metadata.map((value) => {
    if (!value.isTensor)
      throw new UnloadableModelError(
        `${side} '${value.name}' is not a tensor; sequences, maps and optionals are not supported`,
      );
    const datatype = datatypeOf[value.type];
    if (!datatype)
      throw new UnloadableModelError(`${side} '${value.name}' has the unsupported datatype ${value.type}`);
    return {
      name: value.name,
      datatype,
      shape: value.shape.map((size) => (typeof size === 'number' ? size : -1)),
    };
  });
}

/** How often the loaded model is timed. */
const timedRuns = 5;
/** Timing ends early for slow models. */
const timingBudgetMs = 2_000;

export class Engine {
  private constructor(
    private readonly session: InferenceSession,
    readonly signature: Signature,
  ) {}

  /** @throws UnloadableModelError */
  static async load(message: LoadMessage): Promise<Engine> {
    const { config, entryPath } = message;
    try {
      const session = await ort.InferenceSession.create(entryPath, {
        executionProviders: ['cpu'],
        intraOpNumThreads: config.intra_op_threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: config.graph_optimization,
        logSeverityLevel: 3,
      });
      const signature = {
        inputs: toSpecs('input', session.inputMetadata),
        outputs: toSpecs('output', session.outputMetadata),
      };
      return new Engine(session, signature);
    } catch (error) {
      throw new UnloadableModelError(cleanReason(error, entryPath), { cause: error });
    }
  }

  /** Blocks the thread while the model computes. `inputs` must fit the signature. */
  async run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]> {
    const feeds: Record<string, OrtTensor> = {};
    for (const tensor of inputs) feeds[tensor.name] = toOrt(tensor);
    const results = await this.session.run(feeds, outputs);
    return outputs.map((name) => {
      const result = results[name];
      if (!result) throw new Error(`ONNX Runtime gave no output '${name}'`);
      return fromOrt(name, result);
    });
  }
}

function toOrt({ datatype, elements, shape }: Tensor): OrtTensor {
  return new ort.Tensor(ortTypeOf[datatype], elements, shape);
}

function fromOrt(name: string, { type, dims, data }: OrtTensor): Tensor {
  const datatype = datatypeOf[type];
  if (!datatype) throw new Error(`output '${name}' has the unsupported datatype ${type}`);
  return { name, datatype, shape: dims, elements: data };
}

/**
 * Loads, warms up with zeros, measures. A warm-up that fails is recorded: some models refuse zeros. Some even end the
 * process on them (an integer division by zero), so `onOpened` is called in between.
 */
export async function loadMeasured(
  message: LoadMessage,
  onOpened: () => void,
): Promise<{ engine: Engine; loaded: LoadedMessage }> {
  const before = process.memoryUsage.rss();
  const start = performance.now();
  const engine = await Engine.load(message);
  const loadMs = performance.now() - start;
  onOpened();
  const warmup = message.config.warmup
    ? await measureRuns(engine)
    : { firstMs: 0, medianMs: 0, failure: null };
  const batching = message.config.warmup
    ? await probeBatching(engine, message.config.max_batch_size)
    : { enabled: false, reason: 'the warm-up is switched off', tolerance: null, costs: [] };
  const profile: Profile = {
    load_ms: round(loadMs),
    warmup_ms: round(warmup.firstMs),
    latency_ms: round(warmup.medianMs),
    memory_bytes: Math.max(0, process.memoryUsage.rss() - before),
    onnxruntime_version: ort.env.versions.node ?? 'unknown',
    batching,
  };
  return { engine, loaded: { signature: engine.signature, profile, warmupSkipped: warmup.failure } };
}

const round = (ms: number): number => Math.round(ms * 1_000) / 1_000;

interface Warmup {
  readonly firstMs: number;
  readonly medianMs: number;
  readonly failure: string | null;
}

async function measureRuns(engine: Engine): Promise<Warmup> {
  const inputs = engine.signature.inputs.map(zeros);
  const outputs = engine.signature.outputs.map(({ name }) => name);
  const timed = async (): Promise<number> => {
    const start = performance.now();
    await engine.run(inputs, outputs);
    return performance.now() - start;
  };
  try {
    const firstMs = await timed();
    const times: number[] = [];
    for (let spent = 0; times.length < timedRuns && spent < timingBudgetMs; spent += times.at(-1) ?? 0)
      times.push(await timed());
    return { firstMs, medianMs: median(times), failure: null };
  } catch (error) {
    return { firstMs: 0, medianMs: 0, failure: cleanReason(error) };
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
