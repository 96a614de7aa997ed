/**
 * Random histories with real processes: gateways that are killed and stopped and whose clocks are wrong, a registry that is cut off or
 * started again, a PostgreSQL that crashes and starts again or has its clock set. What the gateways wrote down is checked against the limits: no window admitted more, and
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
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
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

/** The database tells the time by a clock that {@link setClock} sets: what is found first by a name is not PostgreSQL's. */
async function bendClock(): Promise<void> {
  await registry.dataSource.query(`
    CREATE SCHEMA test_clock;
    CREATE TABLE test_clock.steps AS SELECT interval '0 seconds' AS step;
    CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
      'SELECT pg_catalog.clock_timestamp() + step FROM test_clock.steps';
    CREATE FUNCTION test_clock.now() RETURNS timestamptz LANGUAGE sql AS
      'SELECT pg_catalog.now() + step FROM test_clock.steps';`);
  const [{ name } = { name: '' }] = await registry.dataSource.query<{ name: string }[]>(
    'SELECT current_database() AS name',
  );
  await registry.dataSource.query(
    `ALTER DATABASE "${name}" SET search_path = test_clock, public, pg_catalog`,
  );
}

beforeAll(async () => {
  postgres = await startServer();
  registry = await startRegistry(settings, postgres.url);
  await bendClock();
  // Sessions that began before still tell the time as it is.
  await postgres.restart();
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

interface History {
  readonly id: number;
  readonly quotas: readonly Quota[];
}

async function startSpender(
  histories: readonly History[],
  logFile: string,
  name: string,
  skewMs = 0,
): Promise<ChildProcess> {
  const body = { name, program_version: '0.1.0' };
  const { credential } = await registry.clientWith(gatewayJoinToken).gateways.register({ body });
  const wishes = { registryUrl: wire.url, credential, logFile, histories, callers, everyMs: 12, skewMs };
  return spawn(process.execPath, [spenderMain, JSON.stringify(wishes)], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
}

const acts = ['kill', 'stop', 'cut', 'restart', 'database', 'clock'] as const;
interface Doing {
  readonly act: (typeof acts)[number];
  readonly gateway: number;
  readonly afterMs: number;
  /** How far the ledger's clock is set. */
  readonly stepS: number;
}

const limits = fc.record({
  perSecond: fc.integer({ min: 1, max: 120 }),
  perDay: fc.integer({ min: 50, max: 600 }),
  perCaller: fc.integer({ min: 20, max: 400 }),
  rowsPerMonth: fc.integer({ min: 40, max: 2_000 }),
});
type Limits = typeof limits extends fc.Arbitrary<infer T> ? T : never;

const doings = (kinds: readonly Doing['act'][]): fc.Arbitrary<Doing[]> =>
  fc.array(
    fc.record({
      act: fc.constantFrom(...kinds),
      gateway: fc.nat(2),
      afterMs: fc.integer({ min: 50, max: 500 }),
      stepS: fc.constantFrom(-7, -2, 2, 7),
    }),
    { minLength: 3, maxLength: 6 },
  );

/** The clock of the ledger, which goes by the one of its database, as if somebody had set that. */
async function setClock(stepS: number): Promise<void> {
  await registry.dataSource.query("UPDATE test_clock.steps SET step = step + $1 * interval '1 second'", [
    stepS,
  ]);
  const [shown] = await registry.dataSource.query<{ step: number; off: number }[]>(
    `SELECT extract(epoch FROM step)::float8 AS step,
       extract(epoch FROM clock_timestamp() - pg_catalog.clock_timestamp())::float8 AS off FROM test_clock.steps`,
  );
  expect(shown?.off).toBeCloseTo(shown?.step ?? NaN, 1);
}

/** Another registry in place of the one that gateways reach. */
async function restartRegistry(): Promise<void> {
  wire.cut();
  if (serving !== registry) await serving.close();
  serving = await openRegistry(registry.databaseUrl, settings);
  wire.mend();
}

interface Admission {
  readonly history: number;
  readonly atMs: number;
  readonly caller: string;
  readonly rows: number;
}

async function makeHistory(id: number, drawn: Limits): Promise<History> {
  const rows = { unit: 'rows', window: 'month', limit: drawn.rowsPerMonth };
  return {
    id,
    quotas: [
      await makeQuota(`second-${id}`, { limit: drawn.perSecond }),
      await makeQuota(`day-${id}`, { window: 'day', limit: drawn.perDay }),
      await makeQuota(`caller-${id}`, { window: 'month', limit: drawn.perCaller, per_client: true }),
      await makeQuota(`rows-${id}`, rows),
    ],
  };
}

async function act({ act: kind, afterMs, stepS }: Doing, spender: ChildProcess | undefined): Promise<void> {
  switch (kind) {
    case 'kill':
      spender?.kill('SIGKILL');
      return;
    case 'stop':
      spender?.kill('SIGSTOP');
      await sleep(afterMs * 4);
      spender?.kill('SIGCONT');
      return;
    case 'restart':
      return restartRegistry();
    case 'database':
      return postgres.restart();
    case 'clock':
      return setClock(stepS);
    case 'cut':
      wire.cut();
      await sleep(afterMs * 2);
      wire.mend();
  }
}

/** What the spenders wrote down. @throws while none has */
async function readLog(logFile: string): Promise<Admission[]> {
  const lines = (await readFile(logFile, 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const [history, at, caller = '', rows] = line.split(' ');
    return { history: Number(history), atMs: Number(at), caller, rows: Number(rows) };
  });
}

/** Processes need their time to start. */
const patience = { timeout: 30_000, interval: 20 };

/** Lives through histories. @returns what each of them admitted */
async function live(
  told: readonly Doing[],
  histories: readonly History[],
): Promise<Map<number, Admission[]>> {
  const logFile = join(folder, `histories-${histories[0]?.id}.log`);
  // Wall clocks of gateways are hours off; they go by none.
  const start = (gateway: number): Promise<ChildProcess> =>
    startSpender(histories, logFile, `gateway-${gateway}`, (gateway - 1) * 5_000_000);
  const spenders = await Promise.all([0, 1, 2].map(start));
  await vi.waitFor(async () => {
    const begun = new Set((await readLog(logFile)).map(({ history }) => history));
    expect(begun.size).toBe(histories.length);
  }, patience);
  for (const doing of told) {
    await sleep(doing.afterMs);
    await act(doing, spenders[doing.gateway]);
    if (doing.act === 'kill') spenders[doing.gateway] = await start(doing.gateway);
  }
  await sleep(300);
  await Promise.all(spenders.map((spender) => end(spender)));
  const admitted = new Map<number, Admission[]>(histories.map(({ id }) => [id, []]));
  for (const one of await readLog(logFile)) admitted.get(one.history)?.push(one);
  return admitted;
}

async function end(spender: ChildProcess): Promise<void> {
  const exited = once(spender, 'exit');
  spender.stdin?.end();
  await exited;
}

function countBy<T>(rows: readonly T[], keyOf: (row: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(keyOf(row), (counts.get(keyOf(row)) ?? 0) + 1);
  return counts;
}

const secondOf = ({ atMs }: Pick<Admission, 'atMs'>): string => String(Math.floor(atMs / 1_000));

function expectKept(admitted: readonly Admission[], drawn: Limits, isOnTime: boolean, context: string): void {
  expect(admitted.length, context).toBeGreaterThan(0);
  // By a clock that is set nobody else can say which second it is.
  if (isOnTime)
    for (const count of countBy(admitted, secondOf).values())
      expect(count, context).toBeLessThanOrEqual(drawn.perSecond);
  expect(admitted.length, context).toBeLessThanOrEqual(drawn.perDay);
  for (const count of countBy(admitted, ({ caller }) => caller).values())
    expect(count, context).toBeLessThanOrEqual(drawn.perCaller);
  const rows = admitted.reduce((sum, one) => sum + one.rows, 0);
  expect(rows, context).toBeLessThanOrEqual(drawn.rowsPerMonth);
}

/** Histories that share the fate of their gateways, each with limits of its own. */
const together = 6;
/** `npm run test:histories:processes` tries more. */
const runs = Number(process.env['PROCESS_HISTORIES'] ?? 4 * together) / together;

describe('gateways that are killed, stopped and cut off, on a ledger that restarts', () => {
  it.each(Array.from({ length: runs }, (_, n) => n))(
    'never admit more than a limit in any window (run %i)',
    async (run) => {
      // Every other run has its clock set.
      const isOnTime = run % 2 === 0;
      const [drawn = []] = fc.sample(doings(isOnTime ? acts.filter((kind) => kind !== 'clock') : acts), 1);
      // Chance might leave one out: each run has a restart of both, or the clock set.
      const surely = isOnTime ? (['restart', 'database'] as const) : (['clock', 'kill', 'clock'] as const);
      const told = [
        ...drawn,
        ...surely.map((kind, n) => ({ act: kind, gateway: 0, afterMs: 200, stepS: 5 - 8 * n })),
      ];
      const limitsOf = fc.sample(limits, together);
      const histories = await Promise.all(limitsOf.map((each, n) => makeHistory(run * together + n, each)));
      const admitted = await live(told, histories);
      for (const [n, { id }] of histories.entries()) {
        const each = limitsOf[n];
        if (each) expectKept(admitted.get(id) ?? [], each, isOnTime, JSON.stringify({ told, each }));
      }
    },
  );

  it('lose nothing for ever: the next window is whole again', async () => {
    const quota = await makeQuota('whole', { limit: 40 });
    const logFile = join(folder, 'whole.log');
    const history = { id: -1, quotas: [quota] };
    const killed = await startSpender([history], logFile, 'gateway-0');
    await vi.waitFor(() => readLog(logFile), patience);
    killed.kill('SIGKILL');
    const heir = await startSpender([history], logFile, 'gateway-0');
    const mostInASecond = async (): Promise<number> =>
      Math.max(...countBy(await readLog(logFile), secondOf).values());
    await vi.waitFor(async () => expect(await mostInASecond()).toBeGreaterThanOrEqual(40), patience);
    await end(heir);
    expect(await mostInASecond()).toBe(40);
  });
});
