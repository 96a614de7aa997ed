/** The node beside its peer: closed loop over concurrencies, then Poisson arrivals below what both can carry. */
import { availableParallelism } from 'node:os';
import { measure } from '../processes.js';
import type { Measured } from '../processes.js';
import { atLeast, atMost, table } from '../report.js';
import { binaryBody, jsonBody } from '../tensors.js';
import type { BenchBody } from '../tensors.js';
import type { BenchModel } from './models.js';
import type { Part } from './part.js';
import type { Server, Stage } from './stage.js';
import type { Times } from './times.js';
import { byTurns, medianRatio, medians, totalCpuUs } from '../windows.js';

/** For connections to be made and queues to fill; the code is warm already. */
const rampMs = 100;
/** Each connection is answered so often in a window on average: with fewer, a slow model's first, empty moments would count. */
const answersPerConnection = 3;
const openConnections = 256;
const shares = [0.5, 0.8];
const ownThroughput = 1.5;
const tinyThroughput = 1;
const tinyCpu = 2;

interface Row {
  readonly model: BenchModel;
  readonly form: string;
  readonly load: string;
  readonly server: string;
  readonly windows: readonly Measured[];
}

const perSecondOf = ({ perSecond }: Measured): number => perSecond;

export function closedLoop(
  server: Server,
  body: BenchBody,
  connections: number,
  durationMs: number,
  leastPerConnection = 1,
): Promise<Measured> {
  const options = { ...server.target(body), connections, warmupMs: rampMs, durationMs, leastPerConnection };
  return measure(options, server.pids());
}

function openLoop(server: Server, body: BenchBody, perSecond: number, durationMs: number): Promise<Measured> {
  const options = { ...server.target(body), connections: openConnections, warmupMs: rampMs, durationMs };
  return measure({ ...options, perSecond, seed: 1 }, server.pids());
}

interface Contender {
  readonly name: string;
  readonly server: Server;
}

async function contenders(stage: Stage, model: BenchModel): Promise<Contender[]> {
  const cores = availableParallelism();
  const node = { name: 'Sluice node', server: await stage.load(model) };
  const peer = { name: 'peer, 1 thread', server: await stage.startPeer(model, 1) };
  if (model.isTiny || cores === 1) return [node, peer];
  return [node, peer, { name: `peer, ${cores} threads`, server: await stage.startPeer(model, cores) }];
}

const forms = (model: BenchModel) =>
  [
    ['JSON', jsonBody(model.inputs)],
    ['binary', binaryBody(model.inputs)],
  ] as const;

async function closedRows(model: BenchModel, all: readonly Contender[], times: Times): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [form, body] of forms(model)) {
    const most = Math.max(...times.concurrencies);
    for (const { server } of all) await closedLoop(server, body, most, times.warmupMs);
    for (const connections of times.concurrencies) {
      const windows = await byTurns(
        all.map(
          ({ server }) =>
            () =>
              closedLoop(server, body, connections, times.windowMs, answersPerConnection),
        ),
        connections === most ? times.targetRounds : times.rounds,
      );
      for (const [index, { name }] of all.entries())
        rows.push({ model, form, load: String(connections), server: name, windows: windows[index] ?? [] });
    }
  }
  return rows;
}

/** Both get the same rate, a share of the smaller of their two maxima: neither is asked for what it cannot give. */
async function openRows(
  model: BenchModel,
  all: readonly Contender[],
  closed: readonly Row[],
  times: Times,
): Promise<Row[]> {
  const two = all.slice(0, 2);
  const body = binaryBody(model.inputs);
  const most = Math.min(...two.map(({ name }) => bestOf(closed, 'binary', name)));
  const rows: Row[] = [];
  for (const share of shares) {
    const perSecond = most * share;
    const windows = await byTurns(
      two.map(
        ({ server }) =>
          () =>
            openLoop(server, body, perSecond, times.openMs),
      ),
      times.openRounds,
    );
    const load = `${share * 100} % (${perSecond.toFixed(0)}/s)`;
    for (const [index, { name }] of two.entries())
      rows.push({ model, form: 'binary', load, server: name, windows: windows[index] ?? [] });
  }
  return rows;
}

const bestOf = (rows: readonly Row[], form: string, server: string): number =>
  Math.max(
    ...rows
      .filter((row) => row.form === form && row.server === server)
      .map(({ windows }) => medians(windows).perSecond),
  );

function line({ model, form, load, server, windows }: Row): string[] {
  const { perSecond, p50Ms, p95Ms, p99Ms, cpuUs } = medians(windows);
  const times = [p50Ms, p95Ms, p99Ms].map((ms) => ms.toFixed(2));
  return [model.name, form, load, server, perSecond.toFixed(0), ...times, cpuUs.toFixed(0)];
}

const header = (load: string): string[] => [
  'model',
  'body',
  load,
  'server',
  'predictions/s',
  'p50 ms',
  'p95 ms',
  'p99 ms',
  'CPU µs per request',
];

/** The ratios that have targets: the node beside each of its peers, at the largest concurrency measured. */
function targetsOf(rows: readonly Row[], model: BenchModel, form: string): Part['targets'] {
  const last = rows.filter((row) => row.model === model && row.form === form).at(-1)?.load;
  const [node, ...peers] = rows.filter(
    (row) => row.model === model && row.form === form && row.load === last,
  );
  if (!node) return [];
  return peers.flatMap((peer) => {
    const throughput = medianRatio(node.windows, peer.windows, perSecondOf);
    const cpu = medianRatio(node.windows, peer.windows, totalCpuUs);
    const what = `${model.name}, ${form}, ${last} connections, beside the ${peer.server}`;
    return [
      [`predictions/s: ${what}`, atLeast(throughput, model.isTiny ? tinyThroughput : ownThroughput)],
      [`CPU per request: ${what}`, model.isTiny ? atMost(cpu, tinyCpu) : `${cpu.toFixed(2)}×`],
    ] as const;
  });
}

/** Markdown of this part. */
export async function servingPart(stage: Stage, models: readonly BenchModel[], times: Times): Promise<Part> {
  const closed: Row[] = [];
  const open: Row[] = [];
  for (const model of models) {
    const all = await contenders(stage, model);
    const rows = await closedRows(model, all, times);
    closed.push(...rows);
    open.push(...(await openRows(model, all, rows, times)));
    for (const { server } of all) await server.stop();
  }
  const targets = models.flatMap((model) => [
    ...targetsOf(closed, model, 'JSON'),
    ...targetsOf(closed, model, 'binary'),
  ]);
  const text = [
    '### Closed loop',
    table(header('concurrency'), closed.map(line)),
    '### Open loop: Poisson arrivals, latency from the intended moment',
    table(header('load'), open.map(line)),
  ].join('\n\n');
  return { text, targets };
}
