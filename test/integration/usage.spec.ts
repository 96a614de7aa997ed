/** Metering from a request at a gateway to sums, CSV and a statement; and that nothing counts twice or gets lost on the way. */
import { createClient } from '#client/client';
import type { SluiceClient } from '#client/client';
import type { UsageBatch, UsageRow, UsageUnit } from '#contracts/usage';
import { sumUsage } from '#contracts/usage-totals';
import fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { UsageSpool, emptySpool } from '../../apps/gateway/src/control/usage-spool.js';
import { gatewayJoinToken, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import {
  TestNode,
  TestRegistry as FakeRegistry,
  cleanUp,
  makeFolder,
  makeSnapshot,
  makeToken,
  publish,
  startTestGateway,
} from './gateway-harness.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
afterEach(cleanUp);

const wide = { from: '2020-01-01T00:00:00Z', to: '2030-01-01T00:00:00Z' };

async function gatewayClient(name: string) {
  const join = registry.clientWith(gatewayJoinToken);
  const { credential } = await join.gateways.register({ body: { name, program_version: '0.1.0' } });
  return registry.clientWith(credential);
}

const row = (changes: Partial<UsageRow>): UsageRow => ({
  hour: '2026-11-24T10:00:00Z',
  team: 'default',
  client_id: 'shop',
  endpoint: 'iris',
  version: 1,
  outcome: 'OK',
  requests: 1,
  rows: 2,
  request_bytes: 10,
  response_bytes: 20,
  compute_us: 1_000,
  ...changes,
});

/** What waits at either sender at last gets through: the batch that was on its way, and the next. */
const settle = [0, 1, 0, 1].map((sender) => ({ sender, counted: 0, fate: 'answered' as const, nth: 0 }));

describe('batches', () => {
  it('count once, however often and in whatever company they are sent', async () => {
    const gateway = await gatewayClient('counting');
    const source = uuidv7();
    const send = (sequence: number, rows: UsageRow[]) =>
      gateway.usage.report({ body: { source, sequence, rows } });
    const rows = [
      row({ endpoint: 'once', requests: 3 }),
      row({ endpoint: 'once', requests: 4 }),
      row({ endpoint: 'once', hour: '2026-11-24T10:59:59Z' }),
    ];
    await Promise.all([send(1, rows), send(1, rows), send(1, rows)]);
    expect(await send(2, [row({ endpoint: 'once', outcome: 'OVERLOADED' })])).toEqual({ last_sequence: 2 });
    expect(await send(1, rows)).toEqual({ last_sequence: 2 });
    const query = { ...wide, endpoint: 'once', group_by: 'hour,outcome' };
    const { items } = await registry.admin.usage.read({ query });
    expect(items).toEqual([
      {
        hour: '2026-11-24T10:00:00Z',
        outcome: 'OK',
        requests: 8,
        rows: 6,
        request_bytes: 30,
        response_bytes: 60,
        compute_us: 3_000,
      },
      {
        hour: '2026-11-24T10:00:00Z',
        outcome: 'OVERLOADED',
        requests: 1,
        rows: 2,
        request_bytes: 10,
        response_bytes: 20,
        compute_us: 1_000,
      },
    ]);
  });

  it('that are lost, repeated, late and out of order add up to what their gateways counted', async () => {
    const fates = ['answered', 'unanswered', 'lost', 'answered twice', 'after one of before'] as const;
    const step = fc.record({
      sender: fc.nat(1),
      counted: fc.nat(9),
      fate: fc.constantFrom(...fates),
      nth: fc.nat(),
    });
    const clients = [await gatewayClient('unlucky-1'), await gatewayClient('unlucky-2')];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const endpoint = uuidv7();
        const senders = clients.map((client) => ({ client, spool: new UsageSpool(emptySpool(uuidv7())) }));
        const sent: { client: SluiceClient; batch: UsageBatch }[] = [];
        const send = async (client: SluiceClient, body: UsageBatch): Promise<void> =>
          void (await client.usage.report({ body }));
        let counted = 0;
        for (const { sender, counted: requests, fate, nth } of [...steps, ...settle]) {
          const { client, spool } = senders[sender] ?? {};
          if (!client || !spool) throw new Error('no such sender');
          counted += requests;
          const rows = [row({ endpoint, requests })];
          if (requests > 0) spool.put(rows, sumUsage(rows));
          const late = sent[nth % Math.max(1, sent.length)];
          if (fate === 'after one of before' && late) await send(late.client, late.batch);
          const batch = spool.batch();
          if (!batch || fate === 'lost') continue;
          sent.push({ client, batch });
          const copies = fate === 'answered twice' ? 2 : 1;
          await Promise.all(Array.from({ length: copies }, () => send(client, batch)));
          if (fate !== 'unanswered') spool.taken();
        }
        for (const { client, batch } of sent.toReversed()) await send(client, batch);
        const { items } = await registry.admin.usage.read({ query: { ...wide, endpoint, group_by: '' } });
        expect(items[0]?.requests ?? 0).toBe(counted);
      }),
      { numRuns: 20 },
    );
  });

  it('of one gateway cannot be sent by another, nor by a client', async () => {
    const [first, second] = [await gatewayClient('first'), await gatewayClient('second')];
    const body = { source: uuidv7(), sequence: 1, rows: [row({ endpoint: 'stolen' })] };
    await first.usage.report({ body });
    await expect(second.usage.report({ body: { ...body, sequence: 2 } })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    await expect(registry.admin.usage.report({ body })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('of several gateways on the same sums do not lock each other out', async () => {
    const gateways = await Promise.all(['a', 'b', 'c'].map((name) => gatewayClient(name)));
    const rows = Array.from({ length: 200 }, (_, index) => row({ endpoint: 'shared', version: index + 1 }));
    await Promise.all(
      gateways.flatMap((gateway, index) => {
        const ordered = index % 2 === 0 ? rows : rows.toReversed();
        return Array.from({ length: 4 }, () =>
          gateway.usage.report({ body: { source: uuidv7(), sequence: 1, rows: ordered } }),
        );
      }),
    );
    const { items } = await registry.admin.usage.read({
      query: { ...wide, endpoint: 'shared', group_by: '' },
    });
    expect(items[0]?.requests).toBe(12 * 200);
  });
});

describe('sums', () => {
  it('come as CSV too, and need the scope', async () => {
    const gateway = await gatewayClient('csv');
    const rows = [row({ endpoint: 'with, comma' })];
    await gateway.usage.report({ body: { source: uuidv7(), sequence: 1, rows } });
    const reader = await registry.caller('usage:read');
    const query = new URLSearchParams({ ...wide, endpoint: 'with, comma', group_by: 'month,endpoint' });
    const answer = await registry.send('GET', `/api/v1/usage.csv?${query.toString()}`, {
      headers: { authorization: `Bearer ${reader.token}` },
    });
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(await answer.text()).toBe(
      'month,endpoint,requests,rows,request_bytes,response_bytes,compute_us\r\n2026-11,"with, comma",1,2,10,20,1000\r\n',
    );
    const stranger = await registry.caller('infer');
    await expect(stranger.client.usage.read({ query: wide })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it.each([
    ['a group that is none', { ...wide, group_by: 'endpoint,colour' }],
    ['a range that ends before it begins', { from: wide.to, to: wide.from }],
  ])('are refused for %s', async (_, query) => {
    await expect(registry.admin.usage.read({ query })).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
  });
});

describe('a statement', () => {
  it('takes each hour of the team’s month at the price of its time, an endpoint’s own before the general', async () => {
    const { admin } = registry;
    await admin.teams.create({ body: { name: 'tokyo', time_zone: 'Asia/Tokyo' } });
    await admin.models.create({ body: { name: 'priced' } });
    const price = (changes: object) =>
      admin.usage.createPrice({
        body: {
          unit: 'requests',
          currency: 'EUR',
          price_per_million: '1.5',
          valid_from: '2026-01-01T00:00:00Z',
          ...changes,
        },
      });
    await price({});
    await price({ price_per_million: '3', valid_from: '2026-11-15T00:00:00Z' });
    await price({ endpoint: 'priced', price_per_million: '0.000001' });
    await price({ endpoint: 'priced', unit: 'rows', price_per_million: '1' });
    await expect(price({})).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    await expect(price({ endpoint: 'nowhere' })).rejects.toMatchObject({ code: 'ENDPOINT_NOT_FOUND' });
    const used = (changes: Partial<UsageRow>) => row({ team: 'tokyo', endpoint: 'other', ...changes });
    const rows = [
      used({ hour: '2026-10-31T14:00:00Z', requests: 1_000_000 }), // October in Tokyo
      used({ hour: '2026-10-31T15:00:00Z', requests: 2_000_000 }), // the first hour of November in Tokyo
      used({ hour: '2026-11-20T00:00:00Z', requests: 1_000_000 }),
      used({ hour: '2026-11-20T00:00:00Z', outcome: 'OVERLOADED', requests: 1_000_000 }),
      used({ hour: '2026-11-20T00:00:00Z', endpoint: 'priced', requests: 9_000_000 }),
    ];
    await (await gatewayClient('billing')).usage.report({ body: { source: uuidv7(), sequence: 1, rows } });
    const statement = await admin.usage.statement({ params: { team: 'tokyo', month: '2026-11' } });
    expect(
      statement.lines.map((line) => [line.endpoint, line.quantity, line.price_per_million, line.amount]),
    ).toEqual([
      ['other', 2_000_000, '1.5', '3.000000'],
      ['other', 1_000_000, '3', '3.000000'],
      ['priced', 9_000_000, '0.000001', '0.000009'],
      ['priced', 2, '1', '0.000002'],
    ]);
    expect(statement.totals).toEqual([{ currency: 'EUR', amount: '6.000011' }]);
    const missing = admin.usage.statement({ params: { team: 'nobody', month: '2026-11' } });
    await expect(missing).rejects.toMatchObject({ code: 'TEAM_NOT_FOUND' });
  });
});

describe('a gateway', () => {
  it('brings what it served to the registry, also what it counted while the registry was away', async () => {
    const fake = await FakeRegistry.start();
    const node = await TestNode.start('one');
    node.respond = (_, res) => {
      res.writeHead(200, { 'x-sluice-timing': '1,9,3,5' });
      res.end('{}');
    };
    const taken: UsageRow[] = [];
    let isAway = true;
    fake.other = (req, res) => {
      let text = '';
      req.on('data', (chunk) => (text += String(chunk)));
      req.on('end', () => {
        if (isAway || req.url !== '/api/v1/usage-batches') return void res.writeHead(503).end();
        const { rows, sequence } = JSON.parse(text) as { rows: UsageRow[]; sequence: number };
        taken.push(...rows);
        res
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ last_sequence: sequence }));
      });
    };
    const folder = await makeFolder();
    const settings = { SLUICE_GATEWAY_DATA_DIR: folder, SLUICE_GATEWAY_USAGE_EVERY_MS: 20 };
    const first = await startTestGateway(fake.url, settings);
    await publish(fake, first, makeSnapshot({ keys: fake.keys, versions: { 1: [node.replica] } }));
    const token = await makeToken(fake.keys, { client: 'shop', claims: { team: 'search' } });
    const infer = async (url: string, body: string): Promise<number> => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const response = await fetch(`${url}/v2/models/iris/infer`, { method: 'POST', headers, body });
      await response.arrayBuffer();
      return response.status;
    };
    for (let i = 0; i < 5; i += 1) expect(await infer(first.url, '{"a":1}')).toBe(200);
    await first.close();
    isAway = false;
    const second = await startTestGateway(fake.url, settings);
    await second.ready;
    for (let i = 0; i < 2; i += 1) expect(await infer(second.url, '{"a":12}')).toBe(200);
    await second.close();
    const total = (field: UsageUnit) => taken.reduce((sum, one) => sum + one[field], 0);
    expect(taken[0]).toMatchObject({
      team: 'search',
      client_id: 'shop',
      endpoint: 'iris',
      version: 1,
      outcome: 'OK',
    });
    expect([total('requests'), total('rows'), total('compute_us')]).toEqual([7, 21, 35]);
    expect(total('request_bytes')).toBe(5 * 7 + 2 * 8);
    expect(taken.every(({ response_bytes }) => response_bytes > 0)).toBe(true);
  });
});

it('is told to whoever asks in the open: nobody', async () => {
  const stranger = createClient({ baseUrl: registry.url });
  await expect(stranger.usage.read({ query: wide })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});
