/**
 * A PostgreSQL that outlived its supervisor (killed with -9). It is stopped before a new one starts, and only when it proves
 * to be ours: it must accept this data folder's password and name this folder as its own. All else is left to PostgreSQL's own lock.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { commandOf, isAlive, takesSignals } from '../process-identity.js';
import { StartError } from '#platform/start';
import { codeOf } from '../error-code.js';
import { databaseUser } from './cluster.js';

export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/** Reads postmaster.pid: line 1 is the process, line 4 the port. */
export function parsePostmasterPid(text: string): Postmaster | undefined {
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  return Number.isInteger(pid) && pid > 0 && Number.isInteger(port) && port > 0 ? { pid, port } : undefined;
}

function readPostmaster(folder: string): Postmaster | undefined {
  try {
    return parsePostmasterPid(readFileSync(join(folder, 'postmaster.pid'), 'utf8'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Where /proc does not tell, any process with that number may be it. */
const isPostmaster = (pid: number): boolean => isAlive(pid) && (commandOf(pid) ?? 'postgres') === 'postgres';

/**
 * PostgreSQL takes whatever has the old number for a running server: a dead one that nobody has collected, or, in a container, a
 * stranger. It knows the number of its own parent for stale, and still makes sure that no old backend uses the shared memory.
 */
function markStale(folder: string): void {
  const path = join(folder, 'postmaster.pid');
  const [, ...rest] = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, [process.pid, ...rest].join('\n'));
}

const cannotConnectNow = '57P03';

/** Whether the server at this port is the one of this folder. 'busy' while it is starting or stopping. */
async function probe(port: number, folder: string, password: string): Promise<'ours' | 'other' | 'busy'> {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: databaseUser,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 2_000,
  });
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    return rows[0]?.data_directory === folder ? 'ours' : 'other';
  } catch (error) {
    return codeOf(error) === cannotConnectNow ? 'busy' : 'other';
  } finally {
    await client.end();
  }
}

async function waitUntilGone(pid: number, timeoutMs: number): Promise<boolean> {
  const giveUpAtMs = performance.now() + timeoutMs;
  while (isAlive(pid)) {
    if (performance.now() > giveUpAtMs) return false;
    await sleep(50);
  }
  return true;
}

/** Stops the PostgreSQL that still runs on `folder`, if there is one. Answers the process that was stopped. */
export async function stopLeftover(folder: string, password: string): Promise<number | undefined> {
  const giveUpAtMs = performance.now() + 30_000;
  for (;;) {
    const postmaster = readPostmaster(folder);
    if (postmaster === undefined) return undefined;
    if (!isPostmaster(postmaster.pid)) {
      if (takesSignals(postmaster.pid)) markStale(folder);
      return undefined;
    }
    const answer = await probe(postmaster.port, folder, password);
    if (answer === 'other') return undefined;
    if (answer === 'ours') {
      process.kill(postmaster.pid, 'SIGINT');
      if (await waitUntilGone(postmaster.pid, 15_000)) return postmaster.pid;
    }
    if (performance.now() > giveUpAtMs) {
      throw new StartError(
        `A PostgreSQL of an earlier start (process ${postmaster.pid}) still works in ${folder} and does not stop. ` +
          `Stop it with: kill -QUIT ${postmaster.pid}`,
      );
    }
    await sleep(200);
  }
}
