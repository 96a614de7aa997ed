/**
 * `npm run bench:gateway`: writes its section of docs/benchmarks.md. With `--quick` it only prints, after less time; with
 * `--soak` it runs nothing but millions of requests, and writes their section; with `--scale` nothing but the large snapshot, and prints.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machine } from '../processes.js';
import { writeSection } from '../report.js';
import { comparePart } from './compare.js';
import { openStage } from './contenders.js';
import { profilePart } from './profile.js';
import { scalePart } from './scale.js';
import { soakPart } from './soak.js';

const quick = process.argv.includes('--quick');
const isSoak = process.argv.includes('--soak');
const times = quick
  ? { rounds: 1, halfLoadRounds: 1, closedMs: 1_000, openMs: 1_000 }
  : { rounds: 7, halfLoadRounds: 15, closedMs: 1_500, openMs: 2_500 };
if (process.argv.includes('--scale')) {
  process.stdout.write(`${await scalePart()}\n`);
  process.exit();
}
const soakRequests = quick ? 100_000 : 5_000_000;

const parts = [`Machine: ${machine()}; ${new Date().toISOString().slice(0, 10)}.`];
const show = (part: string): void => {
  parts.push(part);
  process.stdout.write(`${part}\n\n`);
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-gateway-'));
const stage = await openStage(folder);
try {
  if (isSoak) show(await soakPart(stage, soakRequests));
  else {
    show(await comparePart(stage, times));
    show(await profilePart(stage, folder, times.closedMs));
    show(await scalePart());
  }
} finally {
  await stage.stop();
  rmSync(folder, { recursive: true, force: true });
}
if (!quick) writeSection(isSoak ? 'gateway-soak' : 'gateway', parts.join('\n\n'));
