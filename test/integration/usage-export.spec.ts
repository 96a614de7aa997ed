/** Usage on its way out: CloudEvents at a real receiver that refuses, a worker that dies, and the proof that nothing drifts. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { UsageEvent } from '#contracts/usage-export';
import type { UsageBatch, UsageRow } from '#contracts/usage';
import { sumUsage } from '#contracts/usage-totals';
import { packageRoot } from '#platform/program';
import { readAccounts } from '../../apps/registry/src/usage/reconciliation.js';
import { exportWaitMs } from '../../apps/registry/src/usage/usage-exporter.js';
import { startReceiver } from '../support/receiver.js';
import type { Receiver } from '../support/receiver.js';
import { gatewayJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { startWorker } from '../support/worker.js';

let registry: TestRegistry;
let receiver: Receiver;
let gateway: ReturnType<TestRegistry['clientWith']>;
const patience = { timeout: 20_000, interval: 50 };

beforeAll(async () => {
  registry = await startRegistry({
    SLUICE_WEBHOOK_PRIVATE_ADDRESSES: 'true',
    SLUICE_MASTER_KEY: 'a master key of the export tests',
  });
  receiver = await startReceiver();
  const join = registry.clientWith(gatewayJoinToken);
  const body = { name: 'exporting', program_version: '0.1.0' };
  gateway = registry.clientWith((await join.gateways.register({ body })).credential);
});
afterAll(async () => {
  await receiver.close();
  await registry.close();
});

const row = (endpoint: string, requests: number): UsageRow => ({
  hour: '2026-11-24T10:00:00.000Z',
  team: 'default',
  client_id: 'shop',
  endpoint,
  version: 1,
  outcome: 'OK',
  requests,
  rows: 2 * requests,
  request_bytes: 10 * requests,
  response_bytes: 20 * requests,
  compute_us: 500 * requests,
});

describe('usage', () => {
  it('is sent on as CloudEvents from when it is asked for, past refusals and a new worker, each once by its id', async () => {
    const { usage } = registry.admin;
    const source = uuidv7();
    const report = (sequence: number, ...rows: UsageRow[]) =>
      gateway.usage.report({ body: { source, sequence, rows } });
    await report(1, row('before', 1));
    await expect(usage.readExport()).rejects.toMatchObject({ code: 'USAGE_EXPORT_NOT_FOUND' });
    receiver.answer(503);
    await usage.putExport({ body: { url: receiver.url, token: 'secret of the meter' } });
    await report(2, row('a', 3), row('b', 4));
    await report(2, row('a', 3), row('b', 4));
    const first = await startWorker(registry.config);
    await receiver.untilReceived(1);
    await vi.waitUntil(async () => (await usage.readExport()).failures === 1, patience);
    expect(await usage.readExport()).toMatchObject({
      waiting: 2,
      has_token: true,
      last_error: 'It answered 503.',
      delivered_at: null,
    });
    await first.close();
    await report(3, row('a', 5));
    receiver.answer(202);
    const second = await startWorker(registry.config);
    await vi.waitUntil(async () => (await usage.readExport()).waiting === 0, patience);
    await second.close();
    expect(await usage.readExport()).toMatchObject({ failures: 0, last_error: null });
    const { headers } = receiver.received[0] ?? {};
    expect(headers).toMatchObject({
      'content-type': 'application/cloudevents-batch+json',
      authorization: 'Bearer secret of the meter',
    });
    const sent = receiver.received.flatMap(({ body }) => UsageEvent.array().parse(JSON.parse(body)));
    const once = new Map(sent.map((event) => [`${event.source} ${event.id}`, event]));
    expect(sent.length).toBeGreaterThan(once.size);
    expect(
      [...once.values()].map(({ data }) => [data.endpoint, data.requests, data.rows]).toSorted(),
    ).toEqual([
      ['a', 3, 6],
      ['a', 5, 10],
      ['b', 4, 8],
    ]);
    expect(sent[0]).toMatchObject({ subject: 'default', time: '2026-11-24T10:00:00.000Z' });
    const [stored] = await registry.dataSource.query<{ token: string }[]>('SELECT token FROM usage_export');
    expect(stored?.token).toMatch(/^aes-256-gcm\$/);
    await usage.removeExport();
    await report(4, row('after', 1));
    expect(await registry.dataSource.query('SELECT * FROM usage_events')).toEqual([]);
    const { items } = await registry.admin.audit.list({ query: { subject_prefix: 'usage-export' } });
    expect(items.map(({ action }) => action)).toEqual(['usage_export.delete', 'usage_export.set']);
    expect(JSON.stringify(items)).not.toContain('secret of the meter');
  });

  it('waits longer after each failure', () => {
    expect([1, 2, 3, 50].map(exportWaitMs)).toEqual([2_000, 4_000, 8_000, 600_000]);
  });
});

describe('the reconciliation', () => {
  const run = () =>
    promisify(execFile)(process.execPath, [join(packageRoot, 'dist/apps/registry/src/reconcile.js')], {
      env: { ...process.env, DATABASE_URL: registry.databaseUrl },
    });

  it('proves drift 0, and finds what was lost, counted twice or changed by hand', async () => {
    const source = uuidv7();
    const taken = [row('x', 10), row('y', 5)];
    const balance: UsageBatch['balance'] = {
      served: sumUsage([...taken, row('z', 2), row('w', 1)]),
      waiting: sumUsage([row('z', 2)]),
      lost: sumUsage([row('w', 1)]),
    };
    await gateway.usage.report({ body: { source, sequence: 1, rows: taken, balance } });
    const read = () => registry.dataSource.transaction('REPEATABLE READ', readAccounts);
    expect(await read()).toMatchObject({
      drifts: [],
      waiting: { requests: 2, rows: 4 },
      lost: { requests: 1 },
    });
    expect((await run()).stdout).toContain('drift: 0');
    await registry.dataSource.query(`UPDATE usage_hours SET rows = rows + 1 WHERE endpoint = 'x'`);
    expect((await read()).drifts).toMatchObject([{ where: 'all', unit: 'rows' }]);
    await expect(run()).rejects.toMatchObject({ code: 1 });
    await registry.dataSource.query(`UPDATE usage_hours SET rows = rows - 1 WHERE endpoint = 'x'`);
    const wrong = { ...balance, served: sumUsage([balance.served, row('x', 1)]) };
    await gateway.usage.report({
      body: { source, sequence: 2, rows: [row('z', 2)], balance: { ...wrong, waiting: sumUsage([]) } },
    });
    const { drifts } = await read();
    expect(drifts.find(({ unit }) => unit === 'requests')).toMatchObject({
      where: source,
      expected: 19,
      counted: 18,
    });
  });
});
