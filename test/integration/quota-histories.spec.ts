/**
 * Random histories with real processes: gateways that are killed and stopped, a registry that is cut off or started again, a
 * PostgreSQL that crashes and starts again. What the gateways wrote down is checked against the limits: no window admitted more, and
 * nothing is lost for ever.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Quota } from '#contracts/quotas';
import { packageRoot } from '#platform/program';
import { gatewayJoinToken, openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { startServer } from '../support/postgres.js';
import type { Server } from '../support/postgres.js';

const spenderMain = join(packageRoot, 'dist/test/histories/spender.js');
const callers = ['ann', 'bob'];

/** Its own, as it crashes. */
let postgres: Server;
let registry: TestRegistry;
/** The one that gateways reach: the first, or one that was started in its place. */
let serving: TestRegistry;
const settings = { SLUICE_QUOTA_LEASE_MS: '1000' };
let folder: string;
/** Between gateways and registry; can be cut. */
let wire: { readonly url: string; cut(): void; mend(): void; close(): Promise<void> };

async function startWire(target: () => string): Promise<typeof wire> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) return void near.destroy();
    const far = connect(Number(new URL(target()).port), '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(from);
          to.destroy();
        });
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      isCut = true;
      destroyAll();
    },
    mend: () => (isCut = false),
    async close() {
      const closed = once(server, 'close');
      server.close();
      destroyAll();
      await closed;
    },
  };
}

beforeAll(async () => {
  postgres = await startServer();
  registry = await startRegistry(settings, postgres.url);
  serving = registry;
  wire = await startWire(() => serving.url);
  folder = await mkdtemp(join(tmpdir(), 'sluice-histories-'));
});
afterAll(async () => {
  await wire.close();
  if (serving !== registry) await serving.close();
  await registry.close();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

const makeQuota = (name: string, over: object): Promise<Quota> =>
  registry.admin.quotas.create({
    body: { name, window: 'second', limit: 1, per_client: false, outage: 'deny', ...over },
  });

async function startSpender(quotas: readonly Quota[], logFile: string, name: string): Promise<ChildProcess> {
  const body = { name, program_version: '0.1.0' };
  const { credential } = await registry.clientWith(gatewayJoinToken).gateways.register({ body });
  const wishes = { registryUrl: wire.url, credential, logFile, quotas, callers, everyMs: 3 };
  return spawn(process.execPath, [spenderMain, JSON.stringify(wishes)], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
}

type Act = 'kill' | 'stop' | 'cut' | 'restart' | 'database';
const acts = ['kill', 'stop', 'cut', 'restart', 'database'] as const;
interface History {
  readonly perSecond: number;
  readonly perDay: number;
  readonly perCaller: number;
  readonly acts: readonly { readonly act: Act; readonly gateway: number; readonly afterMs: number }[];
}

const history: fc.Arbitrary<History> = fc.record({
  perSecond: fc.integer({ min: 1, max: 120 }),
  perDay: fc.integer({ min: 50, max: 600 }),
  perCaller: fc.integer({ min: 20, max: 400 }),
  acts: fc.array(
    fc.record({
      act: fc.constantFrom<Act>(...acts),
      gateway: fc.nat(2),
      afterMs: fc.integer({ min: 50, max: 500 }),
    }),
    { minLength: 3, maxLength: 6 },
  ),
});

/** Another registry in place of the one that gateways reach. */
async function restartRegistry(): Promise<void> {
  wire.cut();
  if (serving !== registry) await serving.close();
  serving = await openRegistry(registry.databaseUrl, settings);
  wire.mend();
}

/** Lives through a history. @returns when each request was admitted, and whose it was */
async function live(
  id: number,
  { acts: doings, ...limits }: History,
): Promise<{ atMs: number; caller: string }[]> {
  const quotas = [
    await makeQuota(`second-${id}`, { limit: limits.perSecond }),
    await makeQuota(`day-${id}`, { window: 'day', limit: limits.perDay }),
    await makeQuota(`caller-${id}`, { window: 'month', limit: limits.perCaller, per_client: true }),
  ];
  const logFile = join(folder, `history-${id}.log`);
  const start = (gateway: number): Promise<ChildProcess> =>
    startSpender(quotas, logFile, `gateway-${gateway}`);
  const spenders = await Promise.all([0, 1, 2].map(start));
  await sleep(400);
  for (const { act, gateway, afterMs } of doings) {
    await sleep(afterMs);
    const spender = spenders[gateway];
    if (act === 'kill') {
      spender?.kill('SIGKILL');
      spenders[gateway] = await start(gateway);
    } else if (act === 'stop') {
      spender?.kill('SIGSTOP');
      await sleep(afterMs * 4);
      spender?.kill('SIGCONT');
    } else if (act === 'restart') await restartRegistry();
    else if (act === 'database') await postgres.restart();
    else {
      wire.cut();
      await sleep(afterMs * 2);
      wire.mend();
    }
  }
  await sleep(300);
  await Promise.all(
    spenders.map(async (spender) => {
      const exited = once(spender, 'exit');
      spender.stdin?.end();
      await exited;
    }),
  );
  const lines = (await readFile(logFile, 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const [at, caller = ''] = line.split(' ');
    return { atMs: Number(at), caller };
  });
}

function countBy<T>(rows: readonly T[], keyOf: (row: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(keyOf(row), (counts.get(keyOf(row)) ?? 0) + 1);
  return counts;
}

describe('gateways that are killed, stopped and cut off, on a ledger that restarts', () => {
  it.each([1, 2, 3])('never admit more than a limit in any window (history %i)', async (id) => {
    const [drawn] = fc.sample(history, 1);
    if (!drawn) throw new Error('no history');
    // Chance might leave one out: each history has a restart of both.
    const both = (['restart', 'database'] as const).map((act) => ({ act, gateway: 0, afterMs: 200 }));
    const told = { ...drawn, acts: [...drawn.acts, ...both] };
    const admitted = await live(id, told);
    const context = JSON.stringify(told);
    expect(admitted.length, context).toBeGreaterThan(0);
    const seconds = countBy(admitted, ({ atMs }) => String(Math.floor(atMs / 1_000)));
    for (const count of seconds.values()) expect(count, context).toBeLessThanOrEqual(told.perSecond);
    expect(admitted.length, context).toBeLessThanOrEqual(told.perDay);
    for (const count of countBy(admitted, ({ caller }) => caller).values())
      expect(count, context).toBeLessThanOrEqual(told.perCaller);
  });

  it('lose nothing for ever: the next window is whole again', async () => {
    const quota = await makeQuota('whole', { limit: 40 });
    const logFile = join(folder, 'whole.log');
    const killed = await startSpender([quota], logFile, 'gateway-0');
    await sleep(700);
    killed.kill('SIGKILL');
    const heir = await startSpender([quota], logFile, 'gateway-0');
    await sleep(3_000);
    const exited = once(heir, 'exit');
    heir.stdin?.end();
    await exited;
    const lines = (await readFile(logFile, 'utf8')).trim().split('\n');
    const seconds = countBy(lines, (line) => String(Math.floor(Number(line.split(' ')[0]) / 1_000)));
    expect(Math.max(...seconds.values())).toBe(40);
  });
});
