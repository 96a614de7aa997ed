/** What the batcher finds by itself, beside every fixed batch size that it could have been told. */
import type { Measured } from '../processes.js';
import { atLeast, table } from '../report.js';
import { binaryBody } from '../tensors.js';
import type { BenchModel } from './models.js';
import type { Part } from './part.js';
import { closedLoop } from './serving.js';
import type { Config, Server, Stage } from './stage.js';
import type { Times } from './times.js';
import { byTurns, medianRatio, medians, totalCpuUs } from '../windows.js';

const fixedSizes = [1, 2, 4, 8, 16, 32] as const;
const connections = 64;
const shareOfBest = 0.95;
/** What the identity shall gain over batches of one. */
const identityGain = 4;

/** So often each connection is answered at least: a window of a few large batches would be as long as chance makes it. */
const leastPerConnection = 3;

/** The windows of one model: of every fixed size and of the batcher, and of the batcher beside the best of the sizes. */
interface Windows {
  readonly fixed: readonly (readonly Measured[])[];
  readonly measured: readonly Measured[];
  /** Position of the fixed size with the highest median. */
  readonly best: number;
  readonly duel: { readonly measured: readonly Measured[]; readonly best: readonly Measured[] };
}

const rateOf = (windows: readonly Measured[]): number => medians(windows).perSecond;

/**
 * All are loaded side by side and take turns; those that wait cost nothing. The best fixed size is picked in windows of its
 * own: in those that made it the best of six it is also the luckiest.
 */
async function windowsOf(stage: Stage, model: BenchModel, times: Times): Promise<Windows> {
  const configs = [...fixedSizes.map((size): Config => ({ max_batch_size: size })), {}];
  const servers: Server[] = [];
  for (const [index, config] of configs.entries())
    servers.push(await stage.load(model, config, `${model.name}-${index}`));
  const body = binaryBody(model.inputs);
  for (const server of servers)
    await closedLoop(server, body, connections, times.warmupMs, leastPerConnection);
  const turns = servers.map(
    (server) => () => closedLoop(server, body, connections, times.windowMs, leastPerConnection),
  );
  const windows = await byTurns(turns, times.sizeRounds);
  const fixed = windows.slice(0, -1);
  const best = fixed
    .map(rateOf)
    .reduce((most, rate, index, all) => (rate > (all[most] ?? 0) ? index : most), 0);
  const two = [turns.at(-1), turns[best]].filter((turn) => turn !== undefined);
  const [measured = [], ofBest = []] = await byTurns(two, times.duelRounds);
  for (const server of servers) await server.stop();
  return { fixed, measured: windows.at(-1) ?? [], best, duel: { measured, best: ofBest } };
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
      cells: [model.name, ...fixedSizes.map(() => '-'), '-', '-', `off: ${reason}`, '-', '-'],
      targets: [],
    };
  const { fixed, measured, best, duel } = await windowsOf(stage, model, times);
  const share = atLeast(
    medianRatio(duel.measured, duel.best, ({ perSecond }) => perSecond),
    shareOfBest,
  );
  const cpu = `${medianRatio(duel.measured, duel.best, totalCpuUs).toFixed(2)}×`;
  const besideOne = medianRatio(measured, fixed[0] ?? [], ({ perSecond }) => perSecond);
  const isIdentity = model.name === 'identity';
  const gain = isIdentity ? atLeast(besideOne, identityGain) : `${besideOne.toFixed(2)}×`;
  const rates = [...fixed, measured].map((windows) => rateOf(windows).toFixed(0));
  return {
    cells: [model.name, ...rates, `${fixedSizes[best]}`, share, cpu, gain],
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
      'node. The best fixed size is picked by these; then it and the batcher take turns by themselves, ' +
      `${times.duelRounds} windows each, which the ratios beside it are from.`,
    table(
      ['model', ...sizes, 'measured', 'best fixed', 'beside it', 'CPU beside it', 'beside fixed 1'],
      rows.map(({ cells }) => cells),
    ),
  ].join('\n\n');
  return { text, targets: rows.flatMap(({ targets }) => targets) };
}
