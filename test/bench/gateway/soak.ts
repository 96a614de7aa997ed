/** Millions of requests through one gateway: whether its memory stays flat. */
import { readFileSync } from 'node:fs';
import { measure } from '../processes.js';
import { median } from '../quantiles.js';
import { table } from '../report.js';
import type { Stage } from './contenders.js';

const stepMs = 10_000;

const rssMebibytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;

/** Growth from the second quarter of the run, when all is warm, to the last. */
function growthMebibytes(rss: readonly number[]): number {
  const quarter = Math.floor(rss.length / 4);
  return median(rss.slice(-quarter)) - median(rss.slice(quarter, 2 * quarter));
}

/** More than this is a leak. */
const flatMebibytes = 16;

/** Markdown of this part. Plain requests, so all of them take the fast lane. */
export async function soakPart(stage: Stage, requests: number): Promise<string> {
  const gateway = await stage.startGateway('soaked');
  const rows: string[][] = [];
  const rss: number[] = [];
  let served = 0;
  while (served < requests) {
    const load = { ...stage.request, port: gateway.port, connections: 64, warmupMs: 0, durationMs: stepMs };
    const { answered } = await measure(load, { server: gateway.pid });
    served += answered;
    rss.push(rssMebibytes(gateway.pid));
    rows.push([String(served), rss.at(-1)?.toFixed(0) ?? '']);
  }
  await gateway.stop();
  const every = Math.max(1, Math.floor(rows.length / 10));
  const shown = rows.filter((_, index) => index % every === 0 || index === rows.length - 1);
  const growth = growthMebibytes(rss);
  return [
    '### Memory over many requests',
    table(['requests served', 'RSS, MiB'], shown),
    `From the second quarter of the run to the last it grew by ${growth.toFixed(0)} MiB (flat, at most ${flatMebibytes}: ${growth <= flatMebibytes ? 'met' : 'missed'}).`,
  ].join('\n\n');
}
