/** What the batcher finds by itself, beside every fixed batch size that it could have been told. */
import { atLeast, table } from '../report.js';
import { binaryBody } from '../tensors.js';
import type { BenchModel } from './models.js';
import { closedLoop } from './serving.js';
import type { Config, Stage } from './stage.js';
import type { Times } from './times.js';

const fixedSizes = [1, 2, 4, 8, 16, 32] as const;
const connections = 64;
const shareOfBest = 0.95;
const identityGain = 4;

async function perSecond(stage: Stage, model: BenchModel, config: Config, times: Times): Promise<number> {
  const server = await stage.load(model, config);
  // Two full rounds of the slowest model's queue must fit.
  const durationMs = model.isTiny ? times.closedMs : times.closedSlowMs * 1.5;
  const measured = await closedLoop(server, binaryBody(model.inputs), connections, durationMs);
  await server.stop();
  return measured.perSecond;
}

/** Markdown of this part. */
export async function batcherPart(
  stage: Stage,
  models: readonly BenchModel[],
  times: Times,
): Promise<string> {
  const rows: string[][] = [];
  for (const model of models) {
    const fixed: number[] = [];
    for (const size of fixedSizes) fixed.push(await perSecond(stage, model, { max_batch_size: size }, times));
    const own = await perSecond(stage, model, {}, times);
    const gain = own / (fixed[0] ?? Number.NaN);
    rows.push([
      model.name,
      ...fixed.map((rate) => rate.toFixed(0)),
      own.toFixed(0),
      atLeast(own / Math.max(...fixed), shareOfBest),
      model.name === 'identity' ? atLeast(gain, identityGain) : `${gain.toFixed(2)}×`,
    ]);
  }
  const sizes = fixedSizes.map((size) => `fixed ${size}`);
  return [
    '### The batcher',
    `Predictions/s with binary tensors at concurrency ${connections}; \`max_batch_size\` fixed, and left to the node.`,
    table(['model', ...sizes, 'measured', 'beside the best fixed', 'beside fixed 1'], rows),
  ].join('\n\n');
}
