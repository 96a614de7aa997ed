/** How quickly the node says that it lives while its runners have more to do than they can. */
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../quantiles.js';
import { table } from '../report.js';
import { binaryBody } from '../tensors.js';
import type { BenchModel } from './models.js';
import type { Part } from './part.js';
import { closedLoop } from './serving.js';
import type { Stage } from './stage.js';
import type { Times } from './times.js';

const connections = 64;
const everyMs = 10;
/** Until the load generator has started, and its first requests no longer come all at once. */
const saturationMs = 1_000;
const targetMs = 10;

function askOnce(url: URL, agent: Agent): Promise<number> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - start);
        else reject(new Error(`not alive: ${response.statusCode}`));
      });
    }).on('error', reject);
  });
}

/** Asks every `everyMs`, whether or not the last was answered. */
async function askFor(url: URL, durationMs: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true });
  const asked: Promise<number>[] = [];
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => asked.push(askOnce(url, agent)), everyMs);
    setTimeout(() => {
      clearInterval(timer);
      resolve();
    }, durationMs);
  });
  const times = await Promise.all(asked);
  agent.destroy();
  return times.sort((a, b) => a - b);
}

/** Markdown of this part. */
export async function healthPart(stage: Stage, model: BenchModel, times: Times): Promise<Part> {
  const server = await stage.load(model);
  const load = closedLoop(server, binaryBody(model.inputs), connections, saturationMs + times.healthMs);
  await sleep(saturationMs);
  const tookMs = await askFor(new URL('/v2/health/live', stage.url), times.healthMs);
  await load;
  await server.stop();
  const p99Ms = quantile(tookMs, 0.99);
  const verdict = `${p99Ms.toFixed(2)} ms (< ${targetMs} ms: ${p99Ms < targetMs ? 'met' : 'missed'})`;
  const text = [
    '### `GET /v2/health/live` while runners are saturated',
    table(
      ['load', 'asked', 'p50 ms', 'p99'],
      [
        [
          `${model.name} at concurrency ${connections}`,
          String(tookMs.length),
          quantile(tookMs, 0.5).toFixed(2),
          verdict,
        ],
      ],
    ),
  ].join('\n\n');
  return { text, targets: [['p99 of health while runners are saturated', verdict]] };
}
