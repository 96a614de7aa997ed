/** What the batcher finds by itself, beside every fixed batch size that it could have been told. */
import { atLeast, table } from '../report.js';
import { binaryBody } from '../tensors.js';
import type { BenchModel } from './models.js';
import { closedLoop } from './serving.js';
import type { Config, Stage } from './stage.js';
import type { Times } from './times.js';
import { byTurns, medianRatio, medians } from './windows.js';

const fixedSizes = [1, 2, 4, 8, 16, 32] as const;
const connections = 64;
const shareOfBest = 0.95;

/** All configs are loaded side by side and take turns; those that wait cost nothing. */
async function rowOf(stage: Stage, model: BenchModel, times: Times): Promise<string[]> {
  const configs: Config[] = [...fixedSizes.map((size) => ({ max_batch_size: size })), {}];
  const servers = [];
  for (const [index, config] of configs.entries())
    servers.push(await stage.load(model, config, `${model.name}-${index}`));
  const batching = servers.at(-1)?.report.profile?.batching;
  const body = binaryBody(model.inputs);
  const turns = servers.map((server) => () => closedLoop(server, body, connections, times.windowMs));
  // The batcher learns from traffic, and nobody's first window may be the one in which its code is compiled.
  await byTurns(turns, 1);
  const windows = await byTurns(turns, times.rounds);
  for (const server of servers) await server.stop();
  const rates = windows.map((one) => medians(one).perSecond);
  const fixed = rates.slice(0, -1);
  const best = windows[fixed.indexOf(Math.max(...fixed))] ?? [];
  const beside = (other: (typeof windows)[number]): number =>
    medianRatio(windows.at(-1) ?? [], other, ({ perSecond }) => perSecond);
  return [
    model.name,
    ...rates.map((rate) => rate.toFixed(0)),
    atLeast(beside(best), shareOfBest),
    `${beside(windows[0] ?? []).toFixed(2)}×`,
    batching?.enabled ? 'on' : 'off: a tensor has no leading dynamic dimension',
  ];
}

/** Markdown of this part. */
export async function batcherPart(
  stage: Stage,
  models: readonly BenchModel[],
  times: Times,
): Promise<string> {
  const rows: string[][] = [];
  for (const model of models) rows.push(await rowOf(stage, model, times));
  const sizes = fixedSizes.map((size) => `fixed ${size}`);
  return [
    '### The batcher',
    `Predictions/s over HTTP with binary tensors at concurrency ${connections}; \`max_batch_size\` fixed, and left to the ` +
      'node. Where batching is off all sizes are the same program, and their differences are the noise of the measurement.',
    table(['model', ...sizes, 'measured', 'beside the best fixed', 'beside fixed 1', 'batching'], rows),
  ].join('\n\n');
}
