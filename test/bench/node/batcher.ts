/** What the batcher finds by itself, beside every fixed batch size that it could have been told. */
import type { Measured } from '../processes.js';
import { atLeast, table } from '../report.js';
import { binaryBody } from '../tensors.js';
import type { BenchModel } from './models.js';
import type { Part } from './part.js';
import { closedLoop } from './serving.js';
import type { Config, Server, Stage } from './stage.js';
import type { Times } from './times.js';
import { byTurns, medianRatio, medians } from './windows.js';

const fixedSizes = [1, 2, 4, 8, 16, 32] as const;
const connections = 64;
const shareOfBest = 0.95;
/** What the identity shall gain over batches of one. */
const identityGain = 4;

/** Each config's predictions per second. All are loaded side by side and take turns; those that wait cost nothing. */
async function windowsOf(
  stage: Stage,
  model: BenchModel,
  configs: readonly Config[],
  times: Times,
): Promise<Measured[][]> {
  const servers: Server[] = [];
  for (const [index, config] of configs.entries())
    servers.push(await stage.load(model, config, `${model.name}-${index}`));
  const body = binaryBody(model.inputs);
  const turns = servers.map((server) => () => closedLoop(server, body, connections, times.windowMs));
  // The batcher learns from traffic, and nobody's first window may be the one in which its code is compiled.
  await byTurns(turns, 1);
  const windows = await byTurns(turns, times.batcherRounds);
  for (const server of servers) await server.stop();
  return windows;
}

/** Why the node does not batch the model; undefined when it does. */
async function obstacle(stage: Stage, model: BenchModel): Promise<string | undefined> {
  const server = await stage.load(model);
  const batching = server.report.profile?.batching;
  await server.stop();
  return batching?.enabled ? undefined : (batching?.reason ?? 'not measured');
}

interface Row {
  readonly cells: readonly string[];
  readonly targets: Part['targets'];
}

async function rowOf(stage: Stage, model: BenchModel, times: Times): Promise<Row> {
  const reason = await obstacle(stage, model);
  if (reason !== undefined)
    return {
      cells: [model.name, ...fixedSizes.map(() => '-'), '-', `off: ${reason}`, '-'],
      targets: [],
    };
  const fixed = fixedSizes.map((size): Config => ({ max_batch_size: size }));
  const windows = await windowsOf(stage, model, [...fixed, {}], times);
  const rates = windows.map((one) => medians(one).perSecond);
  const best = rates.indexOf(Math.max(...rates.slice(0, -1)));
  const beside = (index: number): number =>
    medianRatio(windows.at(-1) ?? [], windows[index] ?? [], ({ perSecond }) => perSecond);
  const isIdentity = model.name === 'identity';
  const [share, gain] = [
    atLeast(beside(best), shareOfBest),
    isIdentity ? atLeast(beside(0), identityGain) : `${beside(0).toFixed(2)}×`,
  ];
  return {
    cells: [model.name, ...rates.map((rate) => rate.toFixed(0)), share, gain],
    targets: [
      [`batcher: ${model.name}, beside the best fixed size (${fixedSizes[best]})`, share],
      ...(isIdentity ? [['batcher: identity over HTTP, beside batches of one', gain] as const] : []),
    ],
  };
}

/** Markdown of this part. */
export async function batcherPart(stage: Stage, models: readonly BenchModel[], times: Times): Promise<Part> {
  const rows: Row[] = [];
  for (const model of models) rows.push(await rowOf(stage, model, times));
  const sizes = fixedSizes.map((size) => `fixed ${size}`);
  const text = [
    '### The batcher',
    `Predictions/s over HTTP with binary tensors at concurrency ${connections}; \`max_batch_size\` fixed, and left to the ` +
      'node.',
    table(
      ['model', ...sizes, 'measured', 'beside the best fixed', 'beside fixed 1'],
      rows.map(({ cells }) => cells),
    ),
  ].join('\n\n');
  return { text, targets: rows.flatMap(({ targets }) => targets) };
}
