/** The command `sluice` as a process, against the whole platform. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { uploadVersion } from '#client/upload';
import { ChangeEvent } from '#contracts/events';
import { ModelPage, Version } from '#contracts/models';
import { packageRoot } from '#platform/program';
import { irisFile } from '../support/iris.js';
import { startPlatform } from '../support/platform.js';
import type { Platform } from '../support/platform.js';

let platform: Platform;
let folder: string;
let credential: Record<string, string>;
beforeAll(async () => {
  platform = await startPlatform();
  folder = await mkdtemp(join(tmpdir(), 'sluice-cli-'));
  const { client_id, client_secret } = await platform.connection();
  credential = { SLUICE_CLIENT_ID: client_id, SLUICE_CLIENT_SECRET: client_secret };
});
afterAll(async () => {
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
});

const patience = { timeout: 20_000 };

interface Sluice {
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly kill: (signal: 'SIGINT') => void;
  readonly code: Promise<number | null>;
}

/** Starts it with these variables and no others of its own. */
function start(args: readonly string[], env: Record<string, string> = credential, input = ''): Sluice {
  const child = spawn(process.execPath, [join(packageRoot, 'dist/apps/cli/src/main.js'), ...args], {
    env: {
      PATH: process.env['PATH'],
      SLUICE_URL: platform.gatewayUrl,
      SLUICE_CONFIG: join(folder, 'config.json'),
      ...env,
    },
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
  child.stdin.end(input);
  return {
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    kill: (signal) => child.kill(signal),
    code: once(child, 'close').then(([code]) => code as number | null),
  };
}

async function sluice(args: readonly string[], env?: Record<string, string>, input?: string) {
  const running = start(args, env, input);
  const code = await running.code;
  return { code, stdout: running.stdout(), stderr: running.stderr() };
}

describe('a command', () => {
  it('shows a table to people and the API’s own JSON to scripts, data on stdout only', async () => {
    const people = await sluice(['models', 'list']);
    expect(people).toMatchObject({ code: 0, stderr: '' });
    expect(people.stdout).toMatch(/^MODEL +NEWEST +ALIASES +UPDATED\niris +2 /);
    const script = await sluice(['models', 'list', '--json']);
    expect(ModelPage.parse(JSON.parse(script.stdout)).items.map(({ name }) => name)).toEqual(['iris']);
    const endpoint = await sluice(['endpoints', 'show', 'iris']);
    expect(endpoint.stdout).toMatch(/^split +1: 90 %, 2: 10 %$/m);
    expect((await sluice(['nodes', 'list'])).stdout).toMatch(/node-1 +READY .*iris\/1 READY, iris\/2 READY/);
    const version = await sluice(['versions', 'show', 'iris', '2']);
    expect(version.stdout).toMatch(/^status +READY$[^]*^inputs +x FP32\[-1,4\]$/m);
    expect((await sluice(['versions', 'list', 'iris', '--limit', '1'])).stderr).toContain('There is more');
  });

  it('explains quotas in words', async () => {
    await platform.admin.quotas.create({ body: { name: 'none', endpoint: 'iris', window: 'day', limit: 0 } });
    const list = await sluice(['quotas', 'list']);
    expect(list.stdout).toMatch(/none +0 requests a day +each client, on iris +enforce +deny/);
    const { stdout, stderr, code } = await sluice(['quotas', 'explain', 'admin', '--endpoint', 'iris']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'admin of team default is denied by none.\n' });
    expect(stdout).toMatch(/none +exhausted +0 requests a day +0 requests +0 requests +0 requests +\d{4}-/);
  });

  it('lets no name command the terminal', async () => {
    await platform.admin.models.create({ body: { name: 'odd', description: 'red: \u{1b}[31m' } });
    expect((await sluice(['models', 'show', 'odd'])).stdout).toContain('red: \u{fffd}[31m');
    await platform.admin.models.archive({ params: { model: 'odd' } });
  });

  it('ends with a code for each kind of failure, and says what happened', async () => {
    const gone = await sluice(['models', 'show', 'nothing']);
    expect(gone).toMatchObject({ code: 3, stdout: '' });
    expect(gone.stderr).toMatch(/^sluice: MODEL_NOT_FOUND: .*\n {2}request [0-9a-f-]{36}\n$/);
    const json = await sluice(['models', 'show', 'nothing', '--json']);
    expect(JSON.parse(json.stderr)).toMatchObject({ code: 'MODEL_NOT_FOUND', status: 404 });
    const stranger = await sluice(['models', 'list'], { SLUICE_TOKEN: 'wrong' });
    expect(stranger).toMatchObject({ code: 4, stderr: expect.stringContaining('sluice login') as string });
    const nobody = await sluice(['models', 'list'], { SLUICE_URL: 'http://127.0.0.1:9', SLUICE_TOKEN: 'x' });
    expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining('127.0.0.1:9') as string });
  });
});

describe('watching', () => {
  it('a version ends when it is READY', async () => {
    await platform.admin.models.create({ body: { name: 'watched' } });
    await uploadVersion(platform.adminOptions, 'watched', [{ path: 'model.onnx', source: irisFile(1) }]);
    const { code, stdout } = await sluice(['versions', 'show', 'watched', '1', '--watch', '--json']);
    expect(code).toBe(0);
    const last =
      stdout
        .trim()
        .split(/\n(?=\{)/)
        .at(-1) ?? '';
    expect(Version.parse(JSON.parse(last)).status).toBe('READY');
  });

  it('a version that is none ends with 1, and says why', async () => {
    const bad = join(folder, 'bad.onnx');
    await writeFile(bad, 'no model');
    await uploadVersion(platform.adminOptions, 'watched', [{ path: 'model.onnx', source: bad }]);
    const { code, stdout } = await sluice(['versions', 'show', 'watched', '2', '--watch']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^status +FAILED\nreason +\S/m);
  });

  it('a list shows it again at each change, until Ctrl-C', async () => {
    const running = start(['models', 'list', '--watch', '--contains', 'seen']);
    await expect.poll(running.stderr, patience).toContain('There are none');
    await platform.admin.models.create({ body: { name: 'seen' } });
    await expect.poll(running.stdout, patience).toMatch(/^seen /m);
    running.kill('SIGINT');
    expect(await running.code).toBe(130);
  });

  it('what never ends ends with 6 when the time is over', async () => {
    expect((await sluice(['endpoints', 'show', 'iris', '--watch', '--timeout', '1.5'])).code).toBe(6);
  });

  it('events come as they happen, a line each, until Ctrl-C', async () => {
    const running = start(['events', '--watch', '--types', 'model', '--json', '--after', '0']);
    await expect.poll(running.stdout, patience).toContain('models/iris');
    await platform.admin.models.create({ body: { name: 'news' } });
    await expect.poll(running.stdout, patience).toContain('models/news');
    running.kill('SIGINT');
    expect(await running.code).toBe(130);
    const events = running
      .stdout()
      .trimEnd()
      .split('\n')
      .map((line) => ChangeEvent.parse(JSON.parse(line)));
    expect(events.at(-1)).toMatchObject({
      type: 'model.create',
      subject: 'models/news',
      actor: 'client:admin',
    });
  });
});

it('login keeps a token for its owner only, which any command uses until logout makes it good for nothing', async () => {
  const secrets = z
    .object({ admin_password: z.string() })
    .parse(JSON.parse(await readFile(join(platform.dataDir, 'secrets.json'), 'utf8')));
  const unsigned = await sluice(['models', 'list'], {});
  expect(unsigned).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('sluice login --url') as string,
  });
  const login = ['login', '--login', 'admin', '--password-stdin', '--days', '1'];
  expect(await sluice(login, {}, 'not the password\n')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('INVALID_CREDENTIALS') as string,
  });
  expect(await sluice(['login', '--login', 'admin'], {})).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--password-stdin') as string,
  });
  const signedIn = await sluice(login, {}, `${secrets.admin_password}\n`);
  expect(signedIn).toMatchObject({
    code: 0,
    stdout: '',
    stderr: expect.stringContaining('person:admin') as string,
  });
  const path = join(folder, 'config.json');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const { token } = z.object({ token: z.string() }).parse(JSON.parse(await readFile(path, 'utf8')));
  const both = await Promise.all([sluice(['models', 'list'], {}), sluice(['nodes', 'list'], {})]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  const elsewhere = await sluice(['models', 'list'], { SLUICE_URL: platform.registryUrl });
  expect(elsewhere).toMatchObject({ code: 2, stderr: expect.stringContaining('no credential') as string });
  expect((await sluice(['logout'], {})).code).toBe(0);
  expect((await sluice(['models', 'list'], {})).code).toBe(2);
  const url = platform.registryUrl;
  expect((await sluice(['models', 'list'], { SLUICE_URL: url, SLUICE_TOKEN: token })).code).toBe(4);
  const given = await sluice(['login', '--token-stdin'], {}, `${token}\n`);
  expect(given.code).toBe(4);
});
