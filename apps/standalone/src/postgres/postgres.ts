/**
 * The embedded PostgreSQL: loopback only, a random password, UTF-8 and the C locale. This file prepares the data folder and says
 * how the server is launched; the supervisor launches, watches and stops it. The server never sees a terminal's Ctrl-C.
 */
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../ports.js';
import { StartError } from '#platform/start';
import type { PartSpec } from '../supervise/part.js';
import { chooseAccount, runAs, type Account } from './account.js';
import { findBinaries, type PostgresBinaries } from './binaries.js';
import {
  createCluster,
  databaseName,
  databaseUser,
  hasCluster,
  ownerOf,
  postgresEnv,
  takeOwnership,
} from './cluster.js';
import { stopLeftover } from './leftover.js';

export interface EmbeddedPostgres {
  readonly part: PartSpec;
  readonly url: string;
  /** What a person should know about how this start found the folder. */
  readonly notices: readonly string[];
}

const loopback = '127.0.0.1';

/** How the server is launched, known to be ready, and stopped. */
function serverPart(options: {
  binaries: PostgresBinaries;
  account: Account;
  folder: string;
  port: number;
  logPath: string;
}): PartSpec {
  const { binaries, account, folder, port, logPath } = options;
  const settings = [
    `listen_addresses=${loopback}`,
    'unix_socket_directories=',
    'log_destination=stderr',
    'logging_collector=off',
  ];
  const args = ['-D', folder, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
  const address = `${loopback}:${port}`;
  return {
    name: 'postgres',
    launch: () => ({ ...runAs(account, binaries.postgres, args), env: postgresEnv }),
    ready: { by: 'line', pattern: /database system is ready to accept connections/, address },
    readyTimeoutMs: 120_000, // a recovery after a crash reads its log first
    stop: [
      { signal: 'SIGINT', waitMs: 2_500 }, // fast shutdown
      { signal: 'SIGQUIT', waitMs: 500 }, // immediate: recovers at the next start
    ],
    logPath,
  };
}

/** Brings the folder to a state in which the server can start, and describes how to start it. */
export async function prepareEmbeddedPostgres(options: {
  dataFolder: string;
  password: string;
  logPath: string;
  signal: AbortSignal;
}): Promise<EmbeddedPostgres> {
  const { dataFolder, password, logPath, signal } = options;
  const folder = join(dataFolder, 'postgres');
  const binaries = await findBinaries();
  const dataOwner = ownerOf(dataFolder);
  if (!dataOwner) throw new StartError(`The data folder ${dataFolder} does not exist.`);
  const account = chooseAccount({
    executable: binaries.postgres,
    dataFolder,
    dataOwner,
    postgresOwner: ownerOf(folder),
  });
  const notices: string[] = [];
  if (hasCluster(folder, binaries.major)) {
    const stopped = await stopLeftover(folder, password);
    if (stopped !== undefined)
      notices.push(`stopped the database that a killed start left (process ${stopped})`);
    takeOwnership(folder, account);
  } else {
    await createCluster({ binaries, account, folder, password, signal });
  }
  const port = await freePort({ host: loopback, port: 0, setting: 'DATABASE_URL' });
  const url = `postgres://${databaseUser}:${encodeURIComponent(password)}@${loopback}:${port}/${databaseName}`;
  return { part: serverPart({ binaries, account, folder, port, logPath }), url, notices };
}

/** Creates the registry's database in the running server when it is not there yet. */
export async function ensureDatabase(url: string): Promise<void> {
  const administration = new URL(url);
  administration.pathname = '/postgres';
  const client = new Client({ connectionString: administration.href, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [databaseName]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(databaseName)}`);
  } finally {
    await client.end();
  }
}
