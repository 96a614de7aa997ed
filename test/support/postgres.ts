/**
 * Real PostgreSQL for the integration tests: TEST_DATABASE_URL, or one embedded server per run of vitest with its data in a
 * temporary folder. Each spec file gets databases of its own. Loaded by vitest as a global setup as well.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { chooseAccount, runAs } from '../../apps/standalone/src/postgres/account.js';
import { findBinaries } from '../../apps/standalone/src/postgres/binaries.js';
import {
  createCluster,
  databaseUser,
  ownerOf,
  postgresEnv,
} from '../../apps/standalone/src/postgres/cluster.js';
import { freePort } from './free-port.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Of a superuser, without a database that anyone uses. */
    postgresUrl: string;
  }
}

export interface Server {
  readonly url: string;
  /** Crashes it, in the middle of whatever it does, and starts it again at the same address. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

let server: Server | undefined;

export async function setup(project: TestProject): Promise<void> {
  const given = process.env['TEST_DATABASE_URL'];
  server = given === undefined ? await startServer() : undefined;
  project.provide('postgresUrl', given ?? server?.url ?? '');
}

export async function teardown(): Promise<void> {
  await server?.stop();
}

/** Starts an embedded PostgreSQL; unless `isDurable` it keeps nothing safe from a power cut: tests need none of that. */
export async function startServer({ isDurable = false } = {}): Promise<Server> {
  const root = mkdtempSync(join(tmpdir(), 'sluice-postgres-'));
  chmodSync(root, 0o755);
  const binaries = await findBinaries();
  const folder = join(root, 'data');
  const account = chooseAccount({
    executable: binaries.postgres,
    dataFolder: root,
    dataOwner: ownerOf(root) ?? { uid: 0, gid: 0 },
    postgresOwner: undefined,
  });
  const password = randomBytes(16).toString('hex');
  await createCluster({ binaries, account, folder, password, signal: AbortSignal.timeout(60_000) });
  const port = await freePort();
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `fsync=${isDurable ? 'on' : 'off'}`,
    'max_connections=200',
  ];
  const command = runAs(account, binaries.postgres, [
    '-D',
    folder,
    '-p',
    String(port),
    ...settings.flatMap((setting) => ['-c', setting]),
  ]);
  const start = async (): Promise<ChildProcess> => {
    const started = spawn(command.file, command.args, {
      ...command.options,
      cwd: '/',
      env: postgresEnv,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await whenReady(started);
    return started;
  };
  const end = async (running: ChildProcess, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> => {
    const exited = once(running, 'exit');
    running.kill(signal);
    await exited;
  };
  let child = await start();
  return {
    url: `postgres://${databaseUser}:${password}@127.0.0.1:${port}/postgres`,
    restart: async () => {
      await end(child, 'SIGQUIT');
      child = await start();
    },
    stop: async () => {
      await end(child, 'SIGINT');
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function whenReady(child: ChildProcess): Promise<void> {
  if (!child.stderr) throw new Error('PostgreSQL was started without its log');
  const log: string[] = [];
  const lines = createInterface({ input: child.stderr });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      log.push(line);
      if (line.includes('database system is ready to accept connections')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}:\n${log.join('\n')}`)));
  });
}

/** An empty database of its own; `drop` ends every connection to it. */
export async function createDatabase(serverUrl: string): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `sluice_test_${randomBytes(6).toString('hex')}`;
  await execute(serverUrl, `CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => execute(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
