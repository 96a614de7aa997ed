/** What gateways have answered is what is billed, though they are killed with -9: in between and under load. */
import { readFile, readdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { sumUsage } from '#contracts/usage-totals';
import { readEntries } from '../../apps/gateway/src/control/usage-lines.js';
import { readAccounts } from '../../apps/registry/src/usage/reconciliation.js';
import { eventually } from '../support/platform.js';
import { startProgram } from '../support/program.js';
import type { Program } from '../support/program.js';
import { gatewayJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import {
  TestNode,
  TestRegistry as FakeRegistry,
  bodyOf,
  cleanUp,
  joinToken,
  makeFolder,
  makeSnapshot,
  makeToken,
  onCleanUp,
} from './gateway-harness.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
afterEach(cleanUp);

const callers = 8;
/** An hour: what is counted is only noted, not saved nor sent. */
const never = '3600000';

interface Stage {
  readonly folder: string;
  readonly client: string;
  start(usageEveryMs: string): Promise<Program>;
  /** Requests that were answered, by when. */
  readonly answeredMs: number[];
  /** Lets callers ask, one request after the other, for a while. @returns what ends them */
  load(url: string, forMs: number): Promise<() => Promise<void>>;
}

/** A registry that publishes a snapshot as the tests want it, and passes usage on to a real one. */
async function startStage(client: string): Promise<Stage> {
  const fake = await FakeRegistry.start();
  const node = await TestNode.start('one');
  node.respond = (_, res) => void res.writeHead(200, { 'x-sluice-timing': '1,9,3,5' }).end('{}');
  fake.publish(makeSnapshot({ keys: fake.keys, versions: { 1: [node.replica] } }));
  const { credential } = await registry
    .clientWith(gatewayJoinToken)
    .gateways.register({ body: { name: client, program_version: '0.1.0' } });
  const passOn = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' };
    const body = await bodyOf(req);
    const answer = await fetch(`${registry.url}${req.url}`, { method: 'POST', headers, body });
    res.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  };
  fake.other = (req, res) => void passOn(req, res).catch(() => res.destroy());
  const folder = await makeFolder();
  const token = await makeToken(fake.keys, { client, claims: { team: 'default' } });
  const answeredMs: number[] = [];
  const ask = async (url: string): Promise<void> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${url}/v2/models/iris/infer`, { method: 'POST', headers, body: '{"a":1}' });
    await answer.arrayBuffer();
    if (answer.status === 200) answeredMs.push(performance.now());
  };
  return {
    folder,
    client,
    answeredMs,
    async start(usageEveryMs) {
      const gateway = await startProgram('gateway/src/main', {
        SLUICE_REGISTRY_URL: fake.url,
        SLUICE_GATEWAY_JOIN_TOKEN: joinToken,
        SLUICE_GATEWAY_NAME: client,
        SLUICE_GATEWAY_PORT: '0',
        SLUICE_GATEWAY_ADMIN_PORT: '0',
        SLUICE_GATEWAY_DATA_DIR: folder,
        SLUICE_GATEWAY_ACCESS_LOG_SHARE: '0',
        SLUICE_GATEWAY_USAGE_EVERY_MS: usageEveryMs,
      });
      onCleanUp(() => gateway.end('SIGKILL'));
      return gateway;
    },
    async load(url, forMs) {
      const untilMs = performance.now() + forMs;
      let isOver = false;
      const loops = Array.from({ length: callers }, async () => {
        // A gateway that is killed leaves its callers without an answer.
        while (!isOver) await ask(url).catch(() => (isOver = true));
      });
      const isAnsweredAfter = (): boolean => (answeredMs.at(-1) ?? 0) > untilMs;
      await eventually(() => Promise.resolve(isAnsweredAfter() || undefined), 'callers are answered');
      return async () => {
        isOver = true;
        await Promise.all(loops);
      };
    },
  };
}

/** What the folder's journals note. */
async function noted(folder: string): Promise<number> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.journal'));
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return sumUsage(texts.map((text) => readEntries(text).served)).requests;
}

async function billed(client_id: string): Promise<number> {
  const query = { from: '2020-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z', client_id, group_by: '' };
  const { items } = await registry.admin.usage.read({ query });
  return items[0]?.requests ?? 0;
}

async function expectNoDrift(): Promise<void> {
  const { drifts, lost, waiting } = await registry.dataSource.transaction('REPEATABLE READ', readAccounts);
  expect([drifts, lost.requests, waiting.requests]).toEqual([[], 0, 0]);
}

it('each answer of a gateway that was killed is billed once, though it saved and sent nothing', async () => {
  const stage = await startStage('killed-idle');
  for (let kills = 0; kills < 2; kills += 1) {
    const gateway = await stage.start(never);
    const before = stage.answeredMs.length;
    const stop = await stage.load(gateway.url, 200);
    await stop();
    const answers = stage.answeredMs.length - before;
    await eventually(async () => (await noted(stage.folder)) === answers || undefined, 'all is noted');
    await gateway.end('SIGKILL');
  }
  const last = await stage.start('50');
  await eventually(async () => (await billed(stage.client)) > 0 || undefined, 'usage is sent');
  await last.end();
  expect(await billed(stage.client)).toBe(stage.answeredMs.length);
  await expectNoDrift();
});

it('killed under load, only what was answered in the last moment may be missing', async () => {
  const stage = await startStage('killed-busy');
  /** More than some milliseconds, as machines of tests are slow. */
  const momentMs = 500;
  let mayMiss = 0;
  const rounds = [never, '50'];
  for (const everyMs of rounds) {
    const gateway = await stage.start(everyMs);
    const stop = await stage.load(gateway.url, 2 * momentMs);
    const killedMs = performance.now();
    await gateway.end('SIGKILL');
    await stop();
    mayMiss += stage.answeredMs.filter((ms) => ms > killedMs - momentMs).length;
  }
  const last = await stage.start('50');
  await eventually(async () => (await billed(stage.client)) > 0 || undefined, 'usage is sent');
  await last.end();
  const counted = await billed(stage.client);
  const answered = stage.answeredMs.length;
  expect(counted).toBeGreaterThanOrEqual(answered - mayMiss);
  expect(counted).toBeLessThanOrEqual(answered + rounds.length * callers);
  await expectNoDrift();
});
