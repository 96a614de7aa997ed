import type { ReplicaReport } from '#contracts/nodes';
import { NodeEntity } from '#database/entities/node.entity';
import { VersionEntity } from '#database/entities/version.entity';
import { Transactions } from '#database/transactions';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { joinNode, report } from '../support/nodes.js';
import type { TestNode } from '../support/nodes.js';
import { place } from '../support/placement.js';
import { openRegistry, startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { emptyTables, seedAlias, seedConfig, seedTraffic, seedVersion } from '../support/seeds.js';

let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
beforeEach(() => emptyTables(registry.dataSource));
afterAll(() => registry.close());

const holders = async (nodes: readonly TestNode[], versionId: string): Promise<string[]> => {
  const held = await Promise.all(nodes.map((node) => node.assignments()));
  return nodes
    .filter((_, i) => held[i]?.assignments.some((one) => one.version_id === versionId))
    .map((node) => node.name);
};
/** Every node says that all it was given is READY. */
const loadAll = async (nodes: readonly TestNode[]): Promise<void> => {
  for (const node of nodes) {
    const { assignments } = await node.assignments();
    const reports: ReplicaReport[] = assignments.map((one) =>
      report(one.version_id, 'READY', { config_revision: one.config_revision }),
    );
    await node.renew(reports);
  }
};
const reasonOf = async (id: string): Promise<string | null> =>
  (await registry.dataSource.manager.findOneByOrFail(VersionEntity, { id })).status_reason;
const waiters = `SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
  WHERE l.locktype = 'advisory' AND l.objid = 7201004 AND NOT l.granted AND d.datname = current_database()`;
const lose = (node: TestNode): Promise<unknown> =>
  registry.dataSource.manager.update(NodeEntity, { id: node.id }, { state: 'LOST' });

it('checks a new version on one node, keeps it on one, and spreads it when callers can reach it', async () => {
  const nodes = [await joinNode(registry, 'a'), await joinNode(registry, 'b'), await joinNode(registry, 'c')];
  const version = await seedVersion(registry.dataSource, 'iris');
  await place(registry);
  const [first] = await holders(nodes, version.id);
  await loadAll(nodes);
  await place(registry);
  expect(await holders(nodes, version.id)).toEqual([first]);
  await seedAlias(registry.dataSource, version, 'champion');
  await place(registry);
  const spread = await holders(nodes, version.id);
  expect(spread).toHaveLength(2);
  expect(spread).toContain(first);
});

it('takes an unloaded version off its nodes until something refers to it', async () => {
  const nodes = [await joinNode(registry, 'a'), await joinNode(registry, 'b')];
  const version = await seedVersion(registry.dataSource, 'iris');
  await place(registry);
  await loadAll(nodes);
  const { manager } = registry.dataSource;
  await manager.update(VersionEntity, { id: version.id }, { held: false });
  await place(registry);
  expect(await holders(nodes, version.id)).toEqual([]);
  await seedTraffic(registry.dataSource, version, 'iris');
  await place(registry);
  expect(await holders(nodes, version.id)).toHaveLength(2);
});

it('moves what a lost node held, and nothing else', async () => {
  const nodes = [await joinNode(registry, 'a'), await joinNode(registry, 'b'), await joinNode(registry, 'c')];
  const versions = await Promise.all(
    Array.from({ length: 12 }, (_, i) => seedVersion(registry.dataSource, `model-${i}`)),
  );
  for (const version of versions) await seedTraffic(registry.dataSource, version, version.model);
  await place(registry);
  await loadAll(nodes);
  await place(registry);
  await loadAll(nodes);
  const before = await Promise.all(versions.map((version) => holders(nodes, version.id)));
  for (const names of before) expect(names).toHaveLength(2);
  const [lost] = nodes;
  if (lost === undefined) throw new Error('three nodes have joined');
  await lose(lost);
  await place(registry);
  const after = await Promise.all(versions.map((version) => holders(nodes, version.id)));
  for (const [i, names] of after.entries()) {
    expect(names).toEqual(['b', 'c']);
    expect(names).toEqual(expect.arrayContaining((before[i] ?? []).filter((name) => name !== 'a')));
  }
});

it('has one leader: of two registries that look at once, the second waits and finds it done', async () => {
  const node = await joinNode(registry, 'a');
  const version = await seedVersion(registry.dataSource, 'iris');
  const other = await openRegistry(registry.databaseUrl, {
    SLUICE_ARTIFACTS_DIR: registry.config.SLUICE_ARTIFACTS_DIR,
  });
  const revision = async (): Promise<number> => (await node.assignments()).revision;
  const before = await revision();
  try {
    const looks = await registry.dataSource.transaction(async (leader) => {
      await leader.query('SELECT pg_advisory_xact_lock(7201004)');
      const waiting = [place(registry), place(other)];
      await expect
        .poll(async () => (await leader.query<unknown[]>(waiters)).length, { interval: 10 })
        .toBe(2);
      expect(await holders([node], version.id)).toEqual([]);
      return waiting;
    });
    await Promise.all(looks);
    expect(await holders([node], version.id)).toEqual(['a']);
    expect(await revision()).toBe(before + 1);
  } finally {
    await other.close();
  }
});

it('changes no revision when there is nothing to change', async () => {
  const node = await joinNode(registry, 'a');
  await seedVersion(registry.dataSource, 'iris');
  await place(registry);
  const { revision } = await node.assignments();
  const routing = await registry.dataSource.query('SELECT revision FROM snapshot_state');
  await place(registry);
  await place(registry);
  expect((await node.assignments()).revision).toBe(revision);
  expect(await registry.dataSource.query('SELECT revision FROM snapshot_state')).toEqual(routing);
});

it('says on the version why it waits, and clears it when it does not', async () => {
  const version = await seedVersion(registry.dataSource, 'iris');
  await place(registry);
  expect(await reasonOf(version.id)).toBe('Waits for a replica. No node is up.');
  const small = await joinNode(registry, 'small', 1_000_000);
  await place(registry);
  expect(await reasonOf(version.id)).toBe(
    'Waits for a replica. It needs 129 MiB of memory; the most that a node has free is 1 MiB.',
  );
  const large = await joinNode(registry, 'large');
  await place(registry);
  expect(await reasonOf(version.id)).toBeNull();
  expect(await holders([small, large], version.id)).toEqual(['large']);
});

it('takes an archived version off its nodes and forgets it when they have let go', async () => {
  const node = await joinNode(registry, 'a');
  const version = await seedVersion(registry.dataSource, 'iris');
  await place(registry);
  await loadAll([node]);
  await registry.dataSource.manager.update(VersionEntity, { id: version.id }, { archived_at: new Date() });
  await place(registry);
  expect(await holders([node], version.id)).toEqual([]);
  const replicas = async (): Promise<unknown[]> =>
    (await registry.admin.nodes.read({ params: { node_id: node.id } })).replicas;
  await node.renew([report(version.id, 'DRAINING')]);
  expect(await replicas()).toMatchObject([{ state: 'DRAINING' }]);
  await node.renew([]);
  expect(await replicas()).toEqual([]);
});

it('tries a failed replica of a READY version elsewhere, and here again when its time has come', async () => {
  const nodes = [await joinNode(registry, 'a'), await joinNode(registry, 'b')];
  const version = await seedVersion(registry.dataSource, 'iris');
  await place(registry);
  await loadAll(nodes);
  const [name] = await holders(nodes, version.id);
  const failing = nodes.find((node) => node.name === name);
  const other = nodes.find((node) => node.name !== name);
  if (!failing || !other) throw new Error('one of two nodes holds the version');
  const failure = report(version.id, 'FAILED', { reason: 'CUDA is gone', permanent: true });
  await failing.renew([failure]);
  await place(registry);
  expect(await holders(nodes, version.id)).toEqual([other.name]);
  expect(await registry.dataSource.manager.findOneByOrFail(VersionEntity, { id: version.id })).toMatchObject({
    status: 'READY',
  });
  await failing.renew([]);
  await other.renew([failure]);
  await place(registry);
  expect(await holders(nodes, version.id)).toEqual([]);
  expect(await reasonOf(version.id)).toMatch(/^Waits for a replica\. It failed on every node .* in \d+ s\.$/);
  await registry.dataSource.query('UPDATE replicas SET retry_at = now()');
  await place(registry);
  expect(await holders(nodes, version.id)).toHaveLength(1);
});

it('shows a config revision that cannot be loaded beside the one that serves, which stays routed to', async () => {
  const node = await joinNode(registry, 'a');
  const version = await seedVersion(registry.dataSource, 'iris');
  await place(registry);
  await loadAll([node]);
  const { manager } = registry.dataSource;
  await seedConfig(registry.dataSource, version, 2, { instances: 64 });
  await manager.update(VersionEntity, { id: version.id }, { config_revision: 2 });
  await place(registry);
  const serving = report(version.id, 'READY');
  const loading = report(version.id, 'LOADING', { config_revision: 2 });
  const failed = report(version.id, 'FAILED', { config_revision: 2, reason: 'It needs 4 GiB.' });
  const shown = async (): Promise<unknown> =>
    (await registry.admin.nodes.read({ params: { node_id: node.id } })).replicas[0];
  await node.renew([loading, serving]);
  const next = { config_revision: 2, state: 'LOADING', reason: null };
  expect(await shown()).toMatchObject({ config_revision: 1, state: 'READY', next });
  for (const reports of [
    [failed, serving],
    [serving, failed],
  ]) {
    await node.renew(reports);
    await place(registry);
    expect(await shown()).toMatchObject({
      config_revision: 1,
      state: 'READY',
      reason: null,
      next: { config_revision: 2, state: 'FAILED', reason: 'It needs 4 GiB.' },
    });
    expect(await reasonOf(version.id)).toBe(
      'Config revision 2 could not be loaded, the one before it goes on serving: It needs 4 GiB.',
    );
  }
  await node.renew([serving, report(version.id, 'READY', { config_revision: 2 })]);
  await place(registry);
  expect(await shown()).toMatchObject({ config_revision: 2, state: 'READY', next: null });
  expect(await reasonOf(version.id)).toBeNull();
});

it('gets along with reports and other looks that come at the same time', async () => {
  const nodes = await Promise.all(['a', 'b', 'c', 'd'].map((name) => joinNode(registry, name)));
  const versions = await Promise.all(
    Array.from({ length: 10 }, (_, i) => seedVersion(registry.dataSource, `model-${i}`)),
  );
  for (const version of versions) await seedTraffic(registry.dataSource, version, version.model);
  const system = { subject: 'test', requestId: undefined };
  for (let round = 0; round < 5; round += 1)
    await Promise.all([
      ...Array.from({ length: 3 }, () => place(registry)),
      ...nodes.map((node) => loadAll([node])),
      new Transactions(registry.dataSource).write(system, (tx) => Promise.resolve(tx.routingChanged())),
    ]);
  await place(registry);
  await loadAll(nodes);
  await place(registry);
  const states = await registry.dataSource.query<{ version_id: string }[]>(
    `SELECT version_id FROM replicas WHERE wanted AND state = 'READY'`,
  );
  expect(states).toHaveLength(20);
});
