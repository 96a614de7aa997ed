/** The node beside its peer: closed loop over concurrencies, then Poisson arrivals below what both can carry. */
import { availableParallelism } from 'node:os';
import { measure } from '../processes.js';
import type { Measured } from '../processes.js';
import { atLeast, atMost, table } from '../report.js';
import { binaryBody, jsonBody } from '../tensors.js';
import type { BenchBody } from '../tensors.js';
import type { BenchModel } from './models.js';
import type { Server, Stage } from './stage.js';
import type { Times } from './times.js';

const warmupShare = 0.25;
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
  readonly measured: Measured;
}

export const totalCpuUs = ({ cpuUsPerRequest }: Measured): number =>
  Object.values(cpuUsPerRequest).reduce((sum, us) => sum + us, 0);

export function closedLoop(
  server: Server,
  body: BenchBody,
  connections: number,
  durationMs: number,
): Promise<Measured> {
  const warmupMs = durationMs * warmupShare;
  return measure({ ...server.target(body), connections, warmupMs, durationMs }, server.pids());
}

function openLoop(server: Server, body: BenchBody, perSecond: number, durationMs: number): Promise<Measured> {
  const warmupMs = durationMs * warmupShare;
  const options = { ...server.target(body), connections: openConnections, warmupMs, durationMs };
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

async function closedRows(model: BenchModel, all: readonly Contender[], times: Times): Promise<Row[]> {
  const rows: Row[] = [];
  const durationMs = model.isTiny ? times.closedMs : times.closedSlowMs;
  for (const [form, body] of [
    ['JSON', jsonBody(model.inputs)],
    ['binary', binaryBody(model.inputs)],
  ] as const)
    for (const connections of times.concurrencies)
      for (const { name, server } of all) {
        const measured = await closedLoop(server, body, connections, durationMs);
        rows.push({ model, form, load: String(connections), server: name, measured });
      }
  return rows;
}

/** Both get the same rate, a share of the smaller of their two maxima: neither is asked for what it cannot give. */
async function openRows(
  model: BenchModel,
  [node, peer]: readonly Contender[],
  closed: readonly Row[],
  times: Times,
): Promise<Row[]> {
  if (!node || !peer) return [];
  const body = binaryBody(model.inputs);
  const most = Math.min(...[node, peer].map(({ name }) => bestOf(closed, 'binary', name)));
  const rows: Row[] = [];
  for (const share of shares)
    for (const { name, server } of [node, peer]) {
      const perSecond = most * share;
      const measured = await openLoop(server, body, perSecond, times.openMs);
      const load = `${share * 100} % (${perSecond.toFixed(0)}/s)`;
      rows.push({ model, form: 'binary', load, server: name, measured });
    }
  return rows;
}

const bestOf = (rows: readonly Row[], form: string, server: string): number =>
  Math.max(
    ...rows
      .filter((row) => row.form === form && row.server === server)
      .map(({ measured }) => measured.perSecond),
  );

const line = ({ model, form, load, server, measured }: Row): string[] => [
  model.name,
  form,
  load,
  server,
  measured.perSecond.toFixed(0),
  measured.p50Ms.toFixed(2),
  measured.p95Ms.toFixed(2),
  measured.p99Ms.toFixed(2),
  totalCpuUs(measured).toFixed(0),
];
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

/** The ratios that have targets: the node beside the faster of its peers, at the largest concurrency measured. */
function ratios(rows: readonly Row[], model: BenchModel, form: string): string[] {
  const last = rows.filter((row) => row.model === model && row.form === form).at(-1)?.load;
  const measured = rows.filter((row) => row.model === model && row.form === form && row.load === last);
  const [node, ...peers] = measured.map((row) => row.measured);
  if (!node) return [];
  const best = peers.reduce((one, other) => (other.perSecond > one.perSecond ? other : one));
  return [
    model.name,
    form,
    String(last),
    atLeast(node.perSecond / best.perSecond, model.isTiny ? tinyThroughput : ownThroughput),
    model.isTiny
      ? atMost(totalCpuUs(node) / totalCpuUs(best), tinyCpu)
      : `${(totalCpuUs(node) / totalCpuUs(best)).toFixed(2)}×`,
  ];
}

/** Markdown of this part. */
export async function servingPart(
  stage: Stage,
  models: readonly BenchModel[],
  times: Times,
): Promise<string> {
  const closed: Row[] = [];
  const open: Row[] = [];
  for (const model of models) {
    const all = await contenders(stage, model);
    const rows = await closedRows(model, all, times);
    closed.push(...rows);
    open.push(...(await openRows(model, all, rows, times)));
    for (const { server } of all) await server.stop();
  }
  const targets = models.flatMap((model) => [ratios(closed, model, 'JSON'), ratios(closed, model, 'binary')]);
  return [
    '### The node beside its peer',
    table(['model', 'body', 'concurrency', 'predictions/s', 'CPU per request'], targets),
    '### Closed loop',
    table(header('concurrency'), closed.map(line)),
    '### Open loop: Poisson arrivals, latency from the intended moment',
    table(header('load'), open.map(line)),
  ].join('\n\n');
}
