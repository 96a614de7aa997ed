/** `npm start` as a person or script meets it: first start, second start, one shot, and every way it must refuse to start. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outcomeOf } from '../support/load.js';
import { irisRequest } from '../support/iris.js';
import { standaloneMain, startPlatform } from '../support/platform.js';

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs the program to its end. */
function run(env: Record<string, string>, args: string[] = []): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, SLUICE_GATEWAY_PORT: '0', SLUICE_REGISTRY_PORT: '0', ...env } };
    const child = execFile(process.execPath, [standaloneMain, ...args], options, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, output: stdout + stderr }),
    );
  });
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-start-'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

describe('npm start', () => {
  it('predicts once and exits 0, from an empty folder', async () => {
    const { code, output } = await run({ SLUICE_DATA_DIR: join(folder, 'once') }, ['--once']);
    expect(output).toMatch(/version 1/i);
    expect(output).toMatch(/version 2/i);
    expect(code).toBe(0);
  });

  it('finds its data again, keeps its secrets to itself, and leaves nothing running after Ctrl-C', async () => {
    const dataDir = join(folder, 'again');
    const first = await startPlatform({ dataDir });
    const secretsMode = (await stat(join(dataDir, 'connection.json'))).mode & 0o777;
    expect(secretsMode).toBe(0o600);
    const { pids, client_secret } = await first.connection();
    const before = await first.admin.versions.list({ params: { model: 'iris' } });
    await first.admin.models.create({ body: { name: 'kept' } });
    const stoppedFromMs = Date.now();
    await first.stop();
    expect(Date.now() - stoppedFromMs).toBeLessThan(10_000);
    expect(Object.entries(pids).filter(([, pid]) => isAlive(pid))).toEqual([]);

    const second = await startPlatform({ dataDir });
    try {
      expect((await second.connection()).client_secret).toBe(client_secret);
      expect((await second.admin.models.read({ params: { model: 'kept' } })).name).toBe('kept');
      const after = await second.admin.versions.list({ params: { model: 'iris' } });
      expect(after.items.map((version) => version.id)).toEqual(before.items.map((version) => version.id));
      const caller = await second.createCaller(['infer']);
      expect(await outcomeOf(await caller.infer('iris', irisRequest))).toMatch(/^version/);
    } finally {
      await second.stop();
    }
  });

  it('starts again after everything was killed with -9', async () => {
    const dataDir = join(folder, 'killed');
    const first = await startPlatform({ dataDir });
    const { pids } = await first.connection();
    for (const pid of Object.values(pids)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    await first.stop();
    await rm(join(dataDir, 'connection.json'), { force: true });
    const second = await startPlatform({ dataDir });
    try {
      const caller = await second.createCaller(['infer']);
      expect(await outcomeOf(await caller.infer('iris', irisRequest))).toMatch(/^version/);
    } finally {
      await second.stop();
    }
  });

  it('says that a port is in use, and exits 1', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = (server.address() as AddressInfo).port;
    try {
      for (const setting of ['SLUICE_GATEWAY_PORT', 'SLUICE_REGISTRY_PORT']) {
        const { code, output } = await run({
          SLUICE_DATA_DIR: join(folder, 'port'),
          [setting]: String(port),
        });
        expect(output).toMatch(new RegExp(`port ${port}\\b`, 'i'));
        expect(output).not.toMatch(/^\s+at /m);
        expect(code).toBe(1);
      }
    } finally {
      server.close();
    }
  });

  it('says that the data folder belongs to another PostgreSQL version, and exits 1', async () => {
    const dataDir = join(folder, 'old');
    await mkdir(join(dataDir, 'postgres'), { recursive: true });
    await writeFile(join(dataDir, 'postgres/PG_VERSION'), '12\n');
    const { code, output } = await run({ SLUICE_DATA_DIR: dataDir });
    expect(output).toMatch(/PostgreSQL 12/);
    expect(output).not.toMatch(/^\s+at /m);
    expect(code).toBe(1);
    expect(await readFile(join(dataDir, 'postgres/PG_VERSION'), 'utf8')).toBe('12\n');
  });

  it('says that the data folder cannot be written, and exits 1', async () => {
    // A file stands where the folder should be: refused for root as well as for others.
    const file = join(folder, 'not-a-folder');
    await writeFile(file, '');
    await chmod(file, 0o400);
    const { code, output } = await run({ SLUICE_DATA_DIR: file });
    expect(output).toContain(file);
    expect(output).not.toMatch(/^\s+at /m);
    expect(code).toBe(1);
  });

  it('names a wrong setting and exits 1', async () => {
    const { code, output } = await run({ SLUICE_DATA_DIR: join(folder, 'setting'), SLUICE_NODES: 'many' });
    expect(output).toMatch(/SLUICE_NODES/);
    expect(code).toBe(1);
  });

  it('stops its children when it is itself killed with -9', async () => {
    const dataDir = join(folder, 'orphans');
    const child = spawn(process.execPath, [standaloneMain], {
      env: { ...process.env, SLUICE_DATA_DIR: dataDir, SLUICE_GATEWAY_PORT: '0', SLUICE_REGISTRY_PORT: '0' },
      stdio: 'ignore',
    });
    const connection = await waitForConnection(dataDir);
    child.kill('SIGKILL');
    const programs = Object.entries(connection.pids).filter(
      ([name]) => name !== 'postgres' && name !== 'standalone',
    );
    const endMs = Date.now() + 15_000;
    while (programs.some(([, pid]) => isAlive(pid)) && Date.now() < endMs)
      await new Promise((r) => setTimeout(r, 50));
    expect(programs.filter(([, pid]) => isAlive(pid))).toEqual([]);
    // The next start takes care of the database that was left behind.
    const next = await startPlatform({ dataDir });
    await next.stop();
  });
});

async function waitForConnection(dataDir: string): Promise<{ pids: Record<string, number> }> {
  for (;;) {
    const text = await readFile(join(dataDir, 'connection.json'), 'utf8').catch(() => undefined);
    if (text) return JSON.parse(text) as { pids: Record<string, number> };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
