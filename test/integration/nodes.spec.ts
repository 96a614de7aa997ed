import { SluiceClientError } from '#client/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { VersionEntity } from '#database/entities/version.entity';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { joinNode, profile, report, signature } from '../support/nodes.js';
import { place } from '../support/placement.js';
import { openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { emptyTables, seedVersion } from '../support/seeds.js';

const codeOf = (error: unknown): unknown => (error instanceof SluiceClientError ? error.code : error);
const readVersion = (registry: TestRegistry, id: string): Promise<VersionEntity> =>
  registry.dataSource.manager.findOneByOrFail(VersionEntity, { id });

describe('nodes', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  beforeEach(() => emptyTables(registry.dataSource));
  afterAll(() => registry.close());

  it('lists, reads, drains and resumes nodes, and audits it', async () => {
    const b = await joinNode(registry, 'b');
    const a = await joinNode(registry, 'a');
    const { nodes } = registry.admin;
    const first = await nodes.list({ query: { page_size: 1 } });
    expect(first.items.map((node) => node.name)).toEqual(['a']);
    const second = await nodes.list({ query: { page_size: 1, page_token: first.next_page_token } });
    expect(second.items.map((node) => node.name)).toEqual(['b']);
    expect(second.next_page_token).toBeUndefined();
    const params = { node_id: b.id };
    expect(await nodes.drain({ params })).toMatchObject({ id: b.id, cordoned: true, state: 'READY' });
    expect(await nodes.drain({ params })).toMatchObject({ cordoned: true });
    expect(await nodes.resume({ params })).toMatchObject({ cordoned: false });
    const actions = (await registry.admin.audit.list({ query: { subject_prefix: `nodes/${b.id}` } })).items;
    expect(actions.map((entry) => entry.action)).toEqual(['node.resume', 'node.drain', 'node.register']);
    await expect(
      nodes.read({ params: { node_id: '01980000-0000-7000-8000-000000000000' } }).catch(codeOf),
    ).resolves.toBe('NODE_NOT_FOUND');
    expect(await nodes.read({ params: { node_id: a.id } })).toMatchObject({
      address: a.address,
      replicas: [],
    });
  });

  it('keeps a drain over a restart of the node', async () => {
    const node = await joinNode(registry, 'a');
    await registry.admin.nodes.drain({ params: { node_id: node.id } });
    const again = await joinNode(registry, 'a');
    expect(again.id).toBe(node.id);
    expect(await registry.admin.nodes.read({ params: { node_id: node.id } })).toMatchObject({
      cordoned: true,
    });
  });

  it('fences the process that had the name before', async () => {
    const version = await seedVersion(registry.dataSource, 'iris');
    const old = await joinNode(registry, 'a');
    await place(registry);
    await old.renew([report(version.id, 'READY')]);
    const fresh = await joinNode(registry, 'a');
    expect(fresh.id).toBe(old.id);
    await expect(old.renew([]).catch(codeOf)).resolves.toBe('LEASE_LOST');
    await expect(old.assignments(0, 0).catch(codeOf)).resolves.toBe('LEASE_LOST');
    const { replicas } = await registry.admin.nodes.read({ params: { node_id: fresh.id } });
    expect(replicas).toMatchObject([{ version_id: version.id, state: 'ASSIGNED' }]);
    await fresh.renew([]);
  });

  it('ends a long poll of the fenced process', async () => {
    await seedVersion(registry.dataSource, 'iris');
    const old = await joinNode(registry, 'a');
    const { revision } = await old.assignments();
    const poll = old.assignments(revision, 20_000).catch(codeOf);
    await joinNode(registry, 'a');
    await place(registry);
    await expect(poll).resolves.toBe('LEASE_LOST');
  });

  it('refuses a node that uses the credential of another', async () => {
    const a = await joinNode(registry, 'a');
    const b = await joinNode(registry, 'b');
    const asB = b.client.nodes.renew({ params: { node_id: a.id }, body: { replicas: [] } });
    await expect(asB.catch(codeOf)).resolves.toBe('FORBIDDEN');
  });

  it('makes a version READY with what the node measured', async () => {
    const version = await seedVersion(registry.dataSource, 'iris');
    const node = await joinNode(registry, 'a');
    await place(registry);
    for (const state of ['FETCHING', 'LOADING'] as const) {
      await node.renew([report(version.id, state)]);
      expect(await readVersion(registry, version.id)).toMatchObject({ status: 'PENDING' });
    }
    await node.renew([report(version.id, 'READY')]);
    expect(await readVersion(registry, version.id)).toMatchObject({
      status: 'READY',
      status_reason: null,
      signature,
      profile,
    });
  });

  it('makes a version FAILED in the words of the node, at once when it is the model’s fault', async () => {
    const version = await seedVersion(registry.dataSource, 'broken');
    const node = await joinNode(registry, 'a');
    await place(registry);
    const reason = 'Load model failed: Protobuf parsing failed.\0';
    await node.renew([report(version.id, 'FAILED', { reason, permanent: true })]);
    expect(await readVersion(registry, version.id)).toMatchObject({
      status: 'FAILED',
      status_reason: 'Load model failed: Protobuf parsing failed.',
    });
    await place(registry);
    expect((await node.assignments()).assignments).toEqual([]);
  });

  it('tries a version three times on any nodes before it is FAILED', async () => {
    const version = await seedVersion(registry.dataSource, 'flaky');
    const nodes = [await joinNode(registry, 'a'), await joinNode(registry, 'b')];
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await registry.dataSource.query('UPDATE replicas SET retry_at = now()');
      await place(registry);
      const held = await Promise.all(nodes.map((node) => node.assignments()));
      const chosen = held.findIndex((one) => one.assignments.length > 0);
      expect(held.filter((one) => one.assignments.length > 0)).toHaveLength(1);
      expect(await readVersion(registry, version.id)).toMatchObject({ status: 'PENDING' });
      const failure = report(version.id, 'FAILED', { reason: `disk full ${attempt}` });
      await nodes[chosen]?.renew([failure]);
      await nodes[chosen]?.renew([failure]);
    }
    expect(await readVersion(registry, version.id)).toMatchObject({
      status: 'FAILED',
      status_reason: 'It failed 3 times. The last reason: disk full 3',
    });
  });

  it('answers a long poll the moment the assignments change', async () => {
    const node = await joinNode(registry, 'a');
    const { revision } = await node.assignments();
    const started = Date.now();
    const poll = node.assignments(revision, 20_000);
    const version = await seedVersion(registry.dataSource, 'iris', { instances: 2 });
    await place(registry);
    const changed = await poll;
    expect(Date.now() - started).toBeLessThan(3_000);
    expect(changed.revision).toBeGreaterThan(revision);
    expect(changed.assignments).toMatchObject([
      {
        version_id: version.id,
        model: 'iris',
        version: 1,
        entry_file: 'model.onnx',
        files: [{ path: 'model.onnx', size_bytes: 1_000 }],
        config_revision: 1,
        config: { instances: 2, replicas: 2 },
      },
    ]);
  });

  it('tells the holders of a model, and nobody else, when its aliases move', async () => {
    const one = await seedVersion(registry.dataSource, 'iris', { replicas: 1 });
    const node = await joinNode(registry, 'a');
    await place(registry);
    const stranger = await joinNode(registry, 'b');
    const [held, other] = [await node.assignments(), await stranger.assignments()];
    expect(held.assignments).toMatchObject([{ version_id: one.id, aliases: [] }]);
    const poll = node.assignments(held.revision, 20_000);
    const { aliases } = registry.admin;
    const params = { model: 'iris', alias: 'champion' };
    await aliases.set({ params, body: { version: 1 } });
    expect((await poll).assignments).toMatchObject([{ version_id: one.id, aliases: ['champion'] }]);
    const gone = node.assignments((await poll).revision, 20_000);
    await aliases.remove({ params });
    expect((await gone).assignments).toMatchObject([{ aliases: [] }]);
    expect(await stranger.assignments()).toEqual(other);
  });

  it('answers a long poll when its time is over, and a short one at once', async () => {
    const node = await joinNode(registry, 'a');
    const { revision } = await node.assignments(0, 0);
    const started = Date.now();
    expect(await node.assignments(revision, 300)).toEqual({ revision, assignments: [] });
    expect(Date.now() - started).toBeGreaterThanOrEqual(290);
    expect(Date.now() - started).toBeLessThan(2_000);
  });

  it('lets go of a long poll when the node hangs up', async () => {
    const node = await joinNode(registry, 'a');
    const { revision } = await node.assignments();
    const hangUp = new AbortController();
    const poll = node.assignments(revision, 30_000, hangUp.signal).catch((error: unknown) => error);
    await sleep(100);
    hangUp.abort();
    expect(await poll).toBeInstanceOf(Error);
  });

  it('ends long polls when the registry closes', async () => {
    const node = await joinNode(registry, 'a');
    const { revision } = await node.assignments();
    const second = await openRegistry(registry.databaseUrl, {});
    const params = { node_id: node.id };
    const poll = second
      .clientWith(node.lease.credential)
      .nodes.assignments({ params, query: { after: revision, wait_ms: 30_000 } });
    await sleep(200);
    const started = Date.now();
    await second.close();
    expect(await poll).toEqual({ revision, assignments: [] });
    expect(Date.now() - started).toBeLessThan(5_000);
  });
});

describe('leases', () => {
  const leaseMs = 2_000;
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry({ SLUICE_LEASE_MS: String(leaseMs) });
  });
  afterAll(() => registry.close());

  const stateOf = async (id: string): Promise<string> =>
    (await registry.admin.nodes.read({ params: { node_id: id } })).state;

  it('loses a node that stops renewing, keeps one that goes on, and takes the lost one back', async () => {
    const silent = await joinNode(registry, 'silent');
    const steady = await joinNode(registry, 'steady');
    expect(silent.lease).toMatchObject({ lease_ms: leaseMs, renew_every_ms: 666 });
    let renewed: Promise<unknown> = Promise.resolve();
    const renewing = setInterval(() => {
      renewed = steady.renew([]);
    }, 500);
    try {
      const started = Date.now();
      await vi.waitUntil(async () => (await stateOf(silent.id)) === 'LOST', {
        timeout: 10_000,
        interval: 100,
      });
      expect(Date.now() - started).toBeGreaterThanOrEqual(leaseMs - 100);
      expect(await stateOf(steady.id)).toBe('READY');
      await silent.renew([]);
      expect(await stateOf(silent.id)).toBe('READY');
      clearInterval(renewing);
      await renewed;
      await steady.renew([], true);
      expect(await stateOf(steady.id)).toBe('DRAINING');
    } finally {
      clearInterval(renewing);
    }
  });

  it('gives nodes a whole lease to come back after the registry was away', async () => {
    const node = await joinNode(registry, 'patient');
    const { databaseUrl, config } = registry;
    await registry.app.close();
    await sleep(leaseMs + 500);
    const started = Date.now();
    const restarted = await openRegistry(databaseUrl, {
      SLUICE_LEASE_MS: String(leaseMs),
      SLUICE_ARTIFACTS_DIR: config.SLUICE_ARTIFACTS_DIR,
    });
    try {
      while (Date.now() - started < leaseMs - 300) {
        const { state } = await restarted.admin.nodes.read({ params: { node_id: node.id } });
        expect(state).toBe('READY');
        await sleep(100);
      }
      const isLost = async (): Promise<boolean> =>
        (await restarted.admin.nodes.read({ params: { node_id: node.id } })).state === 'LOST';
      await vi.waitUntil(isLost, { timeout: 10_000, interval: 100 });
    } finally {
      await restarted.close();
    }
  });
});
