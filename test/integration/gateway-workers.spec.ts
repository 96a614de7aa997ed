/** A gateway of several worker processes: one port, one admin port, sums over all; a worker that dies is replaced. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { packageRoot } from '#platform/program';
import {
  TestNode,
  TestRegistry,
  bodyOf,
  cleanUp,
  joinToken,
  makeFolder,
  makeSnapshot,
  makeToken,
  onCleanUp,
} from './gateway-harness.js';

const workers = 2;
const Ready = z.looseObject({ msg: z.literal('gateway is ready'), admin_url: z.url(), workers: z.number() });
const Processes = z.object({
  pid: z.number(),
  restarts: z.number(),
  workers: z.array(
    z.object({ worker: z.number(), pid: z.number(), snapshot_revision: z.number().nullable() }),
  ),
});
type Processes = z.infer<typeof Processes>;

let registry: TestRegistry;
let node: TestNode;
let gateway: ChildProcess;
let url: string;
let adminUrl: string;
let admin: string;
let bearer: string;

function start(folder: string, settings: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, [join(packageRoot, 'dist/apps/gateway/src/main.js')], {
    env: {
      ...process.env,
      SLUICE_REGISTRY_URL: registry.url,
      SLUICE_GATEWAY_JOIN_TOKEN: joinToken,
      SLUICE_GATEWAY_NAME: 'gateway-test',
      SLUICE_GATEWAY_WORKERS: String(workers),
      SLUICE_GATEWAY_PORT: '0',
      SLUICE_GATEWAY_ADMIN_PORT: '0',
      SLUICE_GATEWAY_DATA_DIR: folder,
      SLUICE_GATEWAY_LEAVE_GRACE_MS: '0',
      SLUICE_GATEWAY_ACCESS_LOG_SHARE: '0',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onCleanUp(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  return child;
}

/** The line with which the program says that all its workers are ready. */
async function readyLine(child: ChildProcess): Promise<{ url: string; admin_url: string }> {
  if (!child.stdout) throw new Error('no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const { data } = z.looseObject({ url: z.url() }).and(Ready).safeParse(JSON.parse(line));
    if (data) {
      child.stdout.resume();
      return data;
    }
  }
  throw new Error('the gateway ended before it was ready');
}

beforeAll(async () => {
  registry = await TestRegistry.start();
  node = await TestNode.start('one');
  registry.publish(
    makeSnapshot({
      keys: registry.keys,
      versions: { 1: [node.replica] },
      quotas: [{ name: 'five', window: 'day', limit: 5, client_id: 'limited' }],
    }),
  );
  [admin, bearer] = [await makeToken(registry.keys, { scope: 'admin' }), await makeToken(registry.keys)];
  gateway = start(await makeFolder());
  ({ url, admin_url: adminUrl } = await readyLine(gateway));
});
afterAll(cleanUp);

/** Each call on a connection of its own, so that the workers take turns. */
async function infer(token = bearer, agent = new Agent()): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const req = request(`${url}/v2/models/iris/infer`, { method: 'POST', headers, agent });
  req.end('{}');
  const [res] = (await once(req, 'response')) as [import('node:http').IncomingMessage];
  await bodyOf(res);
  return res.statusCode ?? 0;
}

const ask = (path: string, token = admin, method = 'GET'): Promise<Response> =>
  fetch(adminUrl + path, { method, headers: { authorization: `Bearer ${token}` } });
const processes = async (): Promise<Processes> => Processes.parse(await (await ask('/process')).json());

async function counted(): Promise<number> {
  const text = await (await ask('/metrics')).text();
  const [, value] =
    /^sluice_gateway_requests_total\{endpoint="iris",version="1",team="",code="OK"\} (\d+)$/m.exec(text) ??
    [];
  return Number(value ?? 0);
}

/** For states of other processes, which announce nothing to us. */
async function eventually(check: () => Promise<boolean>, what: string): Promise<void> {
  const endMs = Date.now() + 30_000;
  while (!(await check())) {
    if (Date.now() > endMs) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

it('share one port and one admin port, which adds up what they count', async () => {
  const statuses = await Promise.all(Array.from({ length: 20 }, () => infer()));
  expect(new Set(statuses)).toEqual(new Set([200]));
  await eventually(async () => (await counted()) === 20, 'twenty are counted');
  const both = await processes();
  expect(new Set(both.workers.map(({ pid }) => pid)).size).toBe(workers);
  expect(both.workers.map(({ snapshot_revision }) => snapshot_revision)).toEqual([1, 1]);
  const metrics = await (await ask('/metrics')).text();
  expect(metrics).toContain('sluice_gateway_request_duration_seconds_count{endpoint="iris"} 20');
  expect(metrics).toContain('sluice_gateway_snapshot_revision 1');
  expect(metrics).toContain(`sluice_gateway_workers ${workers}`);
  expect(metrics).toMatch(/^nodejs_eventloop_lag_p99_seconds \d/m);
  expect(await (await ask('/snapshot')).json()).toMatchObject({ snapshot: { revision: 1 } });
});

it('the admin port asks for the same tokens', async () => {
  expect((await fetch(`${adminUrl}/health/ready`)).status).toBe(200);
  for (const path of ['/metrics', '/process', '/snapshot', '/explain?endpoint=iris']) {
    expect((await fetch(adminUrl + path)).status, path).toBe(401);
    expect((await ask(path, bearer)).status, path).toBe(403);
  }
  expect((await ask('/nothing')).status).toBe(404);
});

it('each holds its own leases, and together they never admit more than the quota', async () => {
  const limited = await makeToken(registry.keys, { client: 'limited' });
  const statuses = await Promise.all(Array.from({ length: 30 }, () => infer(limited)));
  const admitted = statuses.filter((status) => status === 200).length;
  // A worker may still hold some of it when callers at the other one are refused: fewer are admitted then, never more.
  expect(admitted).toBeGreaterThan(0);
  expect(admitted).toBeLessThanOrEqual(5);
  expect(statuses.filter((status) => status === 429)).toHaveLength(30 - admitted);
});

it('a start that cannot succeed ends with the reason, and is not tried again', async () => {
  const { port } = new URL(url);
  const second = start(await makeFolder(), { SLUICE_GATEWAY_PORT: port });
  let said = '';
  second.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  expect(await once(second, 'close')).toEqual([1, null]);
  expect(said).toContain('EADDRINUSE');
});

describe('a worker killed with -9', () => {
  it('is replaced; the port stays, and no sum goes down', async () => {
    const before = await counted();
    const { workers: old } = await processes();
    const victim = old[0]?.pid ?? 0;
    process.kill(victim, 'SIGKILL');
    await eventually(async () => {
      expect(await infer()).toBe(200);
      const now = await processes();
      return now.restarts === 1 && now.workers.length === workers;
    }, 'there are two workers again');
    expect((await processes()).workers.map(({ pid }) => pid)).not.toContain(victim);
    expect(await counted()).toBeGreaterThan(before);
    expect(await (await ask('/metrics')).text()).toContain('sluice_gateway_worker_restarts_total 1');
  });
});

it('told to end, all finish what they have; then the port is free', async () => {
  let answerAll: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (answerAll = resolve));
  let held = 0;
  node.respond = (_req, res) => {
    held += 1;
    void released.then(() => res.end('{}'));
  };
  const pending = Promise.all(Array.from({ length: 8 }, () => infer()));
  await eventually(async () => held === 8, 'eight are at the node');
  gateway.kill('SIGTERM');
  await eventually(
    async () => (await fetch(`${adminUrl}/health/ready`)).status === 503,
    'the admin port says that it leaves',
  );
  const exited = once(gateway, 'exit');
  answerAll();
  expect(new Set(await pending)).toEqual(new Set([200]));
  expect(await exited).toEqual([0, null]);
  await expect(infer()).rejects.toThrow(/ECONNREFUSED/);
});
