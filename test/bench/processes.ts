/** What processes cost, from the operating system's own accounting (Linux). */
import { execFile, fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LoadResult } from './load.js';
import type { LoadOptions, OpenLoadOptions } from './load.js';

const here = dirname(fileURLToPath(import.meta.url));
/** Linux counts CPU time in ticks of 1/100 s on every platform that Node runs on. */
const microsecondsPerTick = 10_000;

/** CPU time that a process has used so far, in µs: proc_pid_stat(5), fields 14 and 15. */
export function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * microsecondsPerTick;
}

/** Direct children of a process. */
export const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

/** Time of all cores so far, in ticks: proc_stat(5), the line "cpu", whose fourth and fifth fields are what nothing used. */
function coresTicks(): { readonly busy: number; readonly all: number } {
  const [first = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
  const ticks = first.split(/ +/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, one) => sum + one, 0);
  return { busy: all - (ticks[3] ?? 0) - (ticks[4] ?? 0), all };
}

export interface Measured extends LoadResult {
  readonly perSecond: number;
  /** Share of the time of all cores that was used meanwhile, by whatever program, the load generator too: 0 to 1. */
  readonly machineBusy: number;
  /** CPU µs per request of each named process. */
  readonly cpuUsPerRequest: Readonly<Record<string, number>>;
}

/** Runs the load, open loop if it names a rate, in a process of its own and charges each named pid its CPU time. */
export async function measure(
  options: LoadOptions | OpenLoadOptions,
  pids: Readonly<Record<string, number>>,
): Promise<Measured> {
  const snapshot = (): number[] => Object.values(pids).map(cpuUs);
  const [before, coresBefore] = [snapshot(), coresTicks()];
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(here, 'perSecond' in options ? 'open-load-generator.js' : 'load-generator.js'),
    JSON.stringify(options),
  ]);
  const [after, coresAfter] = [snapshot(), coresTicks()];
  const result = LoadResult.parse(JSON.parse(stdout));
  const names = Object.keys(pids);
  return {
    ...result,
    perSecond: result.requests / result.seconds,
    machineBusy: (coresAfter.busy - coresBefore.busy) / (coresAfter.all - coresBefore.all),
    cpuUsPerRequest: Object.fromEntries(
      names.map((name, i) => [name, ((after[i] ?? 0) - (before[i] ?? 0)) / result.answered]),
    ),
  };
}

/** Starts the bare peer; resolves when it listens. */
export async function startBareServer(
  modelFile: string,
  threads = 1,
): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(join(here, 'bare-server.js'), [modelFile, String(threads)], { stdio: 'inherit' });
  const [message] = (await once(child, 'message')) as [{ port: number }];
  return { child, port: message.port };
}

export const machine = (): string =>
  `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), Linux ${release()}, Node ${process.versions.node}`;
