import { Snapshot } from '#contracts/snapshot';
import type { SnapshotVersion } from '#contracts/snapshot';
import { Transactions } from '#database/transactions';
import { VersionEntity } from '#database/entities/version.entity';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { joinNode, report } from '../support/nodes.js';
import { place } from '../support/placement.js';
import { gatewayJoinToken, openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { emptyTables, seedAlias, seedConfig, seedTraffic, seedVersion } from '../support/seeds.js';

let registry: TestRegistry;
let token: string;

beforeAll(async () => {
  registry = await startRegistry();
  const body = { name: 'gw', program_version: '0.1.0' };
  token = (await registry.clientWith(gatewayJoinToken).gateways.register({ body })).credential;
});
beforeEach(() => emptyTables(registry.dataSource));
afterAll(() => registry.close());

const snapshot = (): Promise<Snapshot> => registry.clientWith(token).gateways.snapshot();
const versionIn = (from: Snapshot, model: string, number = 1): SnapshotVersion | undefined =>
  from.models.find((one) => one.name === model)?.versions.find((one) => one.version === number);
const changeRouting = (): Promise<void> =>
  new Transactions(registry.dataSource).write({ subject: 'test', requestId: undefined }, (tx) => {
    tx.routingChanged();
    return Promise.resolve();
  });

interface Events {
  readonly snapshots: Snapshot[];
  readonly comments: number[];
  readonly ended: Promise<void>;
  stop(): void;
}

async function follow(url: string): Promise<Events> {
  const abort = new AbortController();
  const response = await fetch(new URL('/api/v1/snapshot/stream', url), {
    headers: { authorization: `Bearer ${token}` },
    signal: abort.signal,
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const snapshots: Snapshot[] = [];
  const comments: number[] = [];
  const read = async (): Promise<void> => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        if (lines[0]?.startsWith(':')) comments.push(Date.now());
        else {
          const data = lines.find((line) => line.startsWith('data: '))?.slice(6) ?? '';
          const parsed = Snapshot.parse(JSON.parse(data));
          expect(lines).toEqual(['event: snapshot', `id: ${parsed.revision}`, `data: ${data}`]);
          snapshots.push(parsed);
        }
      }
    }
  };
  return { snapshots, comments, ended: read().catch(() => undefined), stop: () => abort.abort() };
}

describe('the snapshot', () => {
  it('gives a gateway the same id each time it registers', async () => {
    const join = registry.clientWith(gatewayJoinToken);
    const ids = await Promise.all(
      ['gw', 'gw', 'other'].map((name) => join.gateways.register({ body: { name, program_version: '1' } })),
    );
    expect(ids[0]?.gateway_id).toBe(ids[1]?.gateway_id);
    expect(ids[0]?.gateway_id).not.toBe(ids[2]?.gateway_id);
    expect(ids[0]?.expires_in).toBe(900);
  });

  it('holds what gateways need, and nothing that is not READY', async () => {
    const ready = await seedVersion(registry.dataSource, 'iris', { default_timeout_ms: 1_234 });
    const node = await joinNode(registry, 'a');
    await place(registry);
    expect(versionIn(await snapshot(), 'iris')).toBeUndefined();
    await node.renew([report(ready.id, 'READY')]);
    await seedVersion(registry.dataSource, 'iris');
    await seedAlias(registry.dataSource, ready, 'champion');
    await seedTraffic(registry.dataSource, ready, 'flowers');
    const { clientId, client } = await registry.caller('infer');
    await registry.admin.clients.disable({ params: { client_id: clientId } });
    await registry.admin.quotas.create({
      body: { name: 'slow', window: 'minute', limit: 5, endpoint: 'flowers' },
    });
    await client.gateways.snapshot().catch(() => undefined);
    const seen = await snapshot();
    expect(seen).toMatchObject({
      issuer: 'sluice',
      audience: 'sluice',
      disabled_clients: [clientId],
      models: [
        {
          name: 'iris',
          aliases: { champion: 1 },
          versions: [
            {
              version: 1,
              default_timeout_ms: 1_234,
              replicas: [{ node_id: node.id, address: node.address }],
            },
          ],
        },
      ],
      endpoints: [{ name: 'flowers', model: 'iris', traffic: { split: [{ version: 1, weight: 1 }] } }],
      quotas: [
        { name: 'slow', window: 'minute', limit: 5, endpoint: 'flowers', client_id: null, per_client: true },
      ],
    });
    expect(seen.jwks.keys).toHaveLength(1);
    await registry.dataSource.manager.update(VersionEntity, { id: ready.id }, { archived_at: new Date() });
    await changeRouting();
    expect(versionIn(await snapshot(), 'iris')).toBeUndefined();
  });

  it('has an ETag, and answers 304 until something changes', async () => {
    const headers = { authorization: `Bearer ${token}` };
    const first = await registry.send('GET', '/api/v1/snapshot', { headers });
    const etag = first.headers.get('etag') ?? '';
    const { revision } = Snapshot.parse(await first.json());
    expect(etag).toBe(`"${revision}"`);
    const conditional = { headers: { ...headers, 'if-none-match': etag } };
    expect((await registry.send('GET', '/api/v1/snapshot', conditional)).status).toBe(304);
    await changeRouting();
    const changed = await registry.send('GET', '/api/v1/snapshot', conditional);
    expect(changed.status).toBe(200);
    expect(Snapshot.parse(await changed.json()).revision).toBe(revision + 1);
  });

  it('drops a replica that fails and a node that leaves, and names a node that drains only while nobody else serves', async () => {
    const version = await seedVersion(registry.dataSource, 'iris');
    const a = await joinNode(registry, 'a');
    const b = await joinNode(registry, 'b');
    const byId = new Map([a, b].map((node) => [node.id, node]));
    await place(registry);
    const [holder, other] = (await a.assignments()).assignments.length > 0 ? [a, b] : [b, a];
    await holder.renew([report(version.id, 'READY')]);
    const nodesNow = async (): Promise<(string | undefined)[]> =>
      (versionIn(await snapshot(), 'iris')?.replicas ?? []).map((one) => byId.get(one.node_id)?.name).sort();
    expect(await nodesNow()).toEqual([holder.name]);
    await registry.admin.nodes.drain({ params: { node_id: holder.id } });
    expect(await nodesNow()).toEqual([holder.name]);
    await place(registry);
    expect(await nodesNow()).toEqual([holder.name]);
    expect((await holder.assignments()).assignments).toHaveLength(1);
    await other.renew([report(version.id, 'READY')]);
    expect(await nodesNow()).toEqual([other.name]);
    await place(registry);
    expect((await holder.assignments()).assignments).toHaveLength(0);
    await other.renew([report(version.id, 'FAILED', { reason: 'out of memory' })]);
    expect(await nodesNow()).toEqual([]);
  });

  it('serves on with the config before while a node loads the new one', async () => {
    const version = await seedVersion(registry.dataSource, 'iris');
    const node = await joinNode(registry, 'a');
    await place(registry);
    await node.renew([report(version.id, 'READY')]);
    await seedConfig(registry.dataSource, version, 2, { instances: 2 });
    const { revision } = await node.assignments();
    await place(registry);
    const changed = await node.assignments(revision);
    expect(changed.assignments).toMatchObject([{ config_revision: 2, config: { instances: 2 } }]);
    await node.renew([report(version.id, 'READY', { config_revision: 1 })]);
    expect(versionIn(await snapshot(), 'iris')?.replicas).toHaveLength(1);
    await node.renew([report(version.id, 'READY', { config_revision: 2 })]);
    expect(versionIn(await snapshot(), 'iris')?.replicas).toHaveLength(1);
  });
});

describe('the snapshot stream', () => {
  it('sends the table now and at each change, within a moment, and a burst of changes as few', async () => {
    const events = await follow(registry.url);
    try {
      await vi.waitUntil(() => events.snapshots.length === 1);
      const started = Date.now();
      const made = await registry.admin.quotas.create({ body: { name: 'q', window: 'day', limit: 1 } });
      await vi.waitUntil(() => events.snapshots.at(-1)?.quotas.some((quota) => quota.id === made.id), {
        interval: 5,
      });
      expect(Date.now() - started).toBeLessThan(1_000);
      const before = events.snapshots.at(-1)?.revision ?? 0;
      const count = events.snapshots.length;
      await Promise.all(Array.from({ length: 50 }, changeRouting));
      await vi.waitUntil(() => events.snapshots.at(-1)?.revision === before + 50, { timeout: 5_000 });
      expect(events.snapshots.length - count).toBeLessThan(50);
      const revisions = events.snapshots.map((one) => one.revision);
      expect(revisions).toEqual([...new Set(revisions)].sort((x, y) => x - y));
    } finally {
      events.stop();
      await events.ended;
    }
  });

  it('sends a comment every five seconds', async () => {
    const events = await follow(registry.url);
    try {
      const started = Date.now();
      await vi.waitUntil(() => events.comments.length > 0, { timeout: 8_000 });
      expect(Date.now() - started).toBeGreaterThan(4_000);
    } finally {
      events.stop();
      await events.ended;
    }
  });

  it('shows changes that another registry makes, and those it missed while its connection was down', async () => {
    const second = await openRegistry(registry.databaseUrl, {});
    const events = await follow(second.url);
    try {
      await vi.waitUntil(() => events.snapshots.length === 1);
      await registry.admin.quotas.create({ body: { name: 'one', window: 'day', limit: 1 } });
      await vi.waitUntil(() => events.snapshots.at(-1)?.quotas.length === 1);
      await registry.dataSource.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'sluice registry listen'`,
      );
      await registry.admin.quotas.create({ body: { name: 'two', window: 'day', limit: 1 } });
      await vi.waitUntil(() => events.snapshots.at(-1)?.quotas.length === 2, { timeout: 10_000 });
    } finally {
      events.stop();
      await second.close();
    }
  });

  it('ends when the registry closes', async () => {
    const second = await openRegistry(registry.databaseUrl, {});
    const events = await follow(second.url);
    await vi.waitUntil(() => events.snapshots.length === 1);
    const started = Date.now();
    await second.close();
    await events.ended;
    expect(Date.now() - started).toBeLessThan(5_000);
  });
});
