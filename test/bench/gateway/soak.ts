/** Millions of requests through one gateway: whether its memory stays flat. */
import { readFileSync } from 'node:fs';
import { measure } from '../processes.js';
import { table } from '../report.js';
import type { Stage } from './contenders.js';

const stepMs = 20_000;

const rssMebibytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;

/** Markdown of this part. */
export async function soakPart(stage: Stage, requests: number): Promise<string> {
  const gateway = await stage.startGateway('soaked');
  const rows: string[][] = [];
  let served = 0;
  while (served < requests) {
    const load = { ...stage.request, port: gateway.port, connections: 64, warmupMs: 0, durationMs: stepMs };
    const { answered } = await measure(load, { server: gateway.pid });
    served += answered;
    rows.push([String(served), rssMebibytes(gateway.pid).toFixed(0)]);
  }
  await gateway.stop();
  const every = Math.max(1, Math.floor(rows.length / 10));
  const shown = rows.filter((_, index) => index % every === 0 || index === rows.length - 1);
  return ['### Memory over many requests', table(['requests served', 'RSS, MiB'], shown)].join('\n\n');
}
