import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { isAlive } from '../process-identity.js';
import { Supervisor } from '../supervise/supervisor.js';
import { parsePostmasterPid } from './leftover.js';
import { ensureDatabase, prepareEmbeddedPostgres } from './postgres.js';

const password = 'right/p@ssword';
const running: Supervisor[] = [];
afterEach(async () => Promise.all(running.splice(0).map((supervisor) => supervisor.stop())));

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-postgres-'));
  chmodSync(folder, 0o755);
  return folder;
}

const prepare = (dataFolder: string) =>
  prepareEmbeddedPostgres({
    dataFolder,
    password,
    logPath: join(dataFolder, 'database.log'),
    signal: new AbortController().signal,
  });

async function start(dataFolder: string) {
  const prepared = await prepare(dataFolder);
  const supervisor = new Supervisor({ changed: () => undefined, said: () => undefined });
  running.push(supervisor);
  await supervisor.start([prepared.part]);
  await ensureDatabase(prepared.url);
  return { ...prepared, supervisor };
}

async function query(url: string, text: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return Object.values((await client.query<Record<string, unknown>>(text)).rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}

describe('the embedded PostgreSQL', { timeout: 60_000 }, () => {
  it('serves a UTF-8 database in the C locale on loopback, to the password alone', async () => {
    const { url } = await start(scratch());
    expect(await query(url, 'SHOW server_encoding')).toBe('UTF8');
    expect(await query(url, 'SELECT datcollate FROM pg_database WHERE datname = current_database()')).toBe(
      'C',
    );
    expect(await query(url, 'SHOW listen_addresses')).toBe('127.0.0.1');
    const wrong = new URL(url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
  });

  it('finds its data again, and leaves no secret or unfinished folder behind', async () => {
    const folder = scratch();
    const first = await start(folder);
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.supervisor.stop();
    const second = await start(folder);
    expect(await query(second.url, 'SELECT answer FROM kept')).toBe(42);
    expect(readdirSync(folder).sort()).toEqual(['database.log', 'postgres']);
  });

  it('stops the server that a killed supervisor left, and recovers from one that was killed itself', async () => {
    const folder = scratch();
    const first = await start(folder);
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.supervisor.stop();

    const orphan = first.part.launch();
    const child = spawn(orphan.file, orphan.args, {
      ...orphan.options,
      env: orphan.env,
      stdio: 'ignore',
      detached: true,
    });
    await expect
      .poll(() => query(first.url, 'SELECT answer FROM kept').catch(String), { timeout: 10_000 })
      .toBe(42);

    const second = await start(folder);
    expect(second.notices[0]).toContain(`process ${child.pid}`);
    expect(isAlive(child.pid ?? 0)).toBe(false);
    const postmaster = parsePostmasterPid(readFileSync(join(folder, 'postgres', 'postmaster.pid'), 'utf8'));
    await query(second.url, 'INSERT INTO kept VALUES (43)');
    second.supervisor.kill();
    await expect.poll(() => isAlive(postmaster?.pid ?? 0)).toBe(false);

    const third = await start(folder);
    expect(Number(await query(third.url, 'SELECT sum(answer) FROM kept'))).toBe(85);
  });

  it('is not held up by a stranger who has the number of the old server', async () => {
    const folder = scratch();
    const first = await start(folder);
    const pidFile = join(folder, 'postgres', 'postmaster.pid');
    const [, ...rest] = readFileSync(pidFile, 'utf8').split('\n');
    await first.supervisor.stop();
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      writeFileSync(pidFile, [stranger.pid, ...rest].join('\n'));
      chownSync(pidFile, statSync(join(folder, 'postgres')).uid, statSync(join(folder, 'postgres')).gid);
      const second = await start(folder);
      expect(second.notices).toEqual([]);
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    } finally {
      stranger.kill();
    }
  });

  it('refuses the folder of another major version, in one line', async () => {
    const folder = scratch();
    mkdirSync(join(folder, 'postgres'));
    writeFileSync(join(folder, 'postgres', 'PG_VERSION'), '13\n');
    await expect(prepare(folder)).rejects.toThrow(
      /^[^\n]* was written by PostgreSQL 13, and this Sluice brings PostgreSQL \d+\.[^\n]*$/,
    );
  });

  it('refuses a folder with files of someone else', async () => {
    const folder = scratch();
    mkdirSync(join(folder, 'postgres'));
    writeFileSync(join(folder, 'postgres', 'thesis.txt'), '');
    await expect(prepare(folder)).rejects.toThrow('holds files that are not PostgreSQL');
  });

  it('makes a new cluster where an earlier attempt was broken off', async () => {
    const folder = scratch();
    mkdirSync(join(folder, 'postgres.new'));
    writeFileSync(join(folder, 'postgres.new', 'PG_VERSION'), '18\n');
    mkdirSync(join(folder, 'postgres'));
    const { url } = await start(folder);
    expect(await query(url, 'SELECT 1')).toBe(1);
  });
});

it('reads process and port from postmaster.pid', () => {
  expect(parsePostmasterPid('4256\n/data\n1795477019\n54777\n\n127.0.0.1\n')).toEqual({
    pid: 4256,
    port: 54777,
  });
  expect(parsePostmasterPid('4256\n')).toBeUndefined();
});
