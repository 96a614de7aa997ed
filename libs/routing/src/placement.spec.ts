import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPlacement } from './placement.js';
import type { CurrentReplica, PlacedReplica, PlacementNode, WantedVersion } from './placement.js';

const nowMs = 1_000_000;
const MiB = 1_048_576;

const node = (id: string, over: Partial<PlacementNode> = {}): PlacementNode => ({
  id,
  memoryBytes: 1_000 * MiB,
  schedulable: true,
  alive: true,
  ...over,
});
const version = (versionId: string, over: Partial<WantedVersion> = {}): WantedVersion => ({
  versionId,
  replicas: 1,
  memoryBytes: 100 * MiB,
  pinned: false,
  priority: 1,
  ...over,
});
const replica = (nodeId: string, versionId: string, over: Partial<CurrentReplica> = {}): CurrentReplica => ({
  nodeId,
  versionId,
  state: 'ready',
  attempts: 0,
  retryAtMs: 0,
  ...over,
});

const pairs = (replicas: readonly PlacedReplica[]): string[] =>
  replicas.map((placed) => `${placed.versionId}@${placed.nodeId}`).sort();

const asCurrent = (
  replicas: readonly PlacedReplica[],
  before: readonly CurrentReplica[] = [],
): CurrentReplica[] => {
  const placed = new Set(pairs(replicas));
  const known = new Map(before.map((old) => [`${old.versionId}@${old.nodeId}`, old]));
  const held = replicas.map(({ nodeId, versionId }) => {
    const old = known.get(`${versionId}@${nodeId}`);
    return replica(nodeId, versionId, {
      state: old?.state === 'ready' ? 'ready' : 'starting',
      attempts: old?.attempts ?? 0,
    });
  });
  const memories = before.filter(
    (old) => old.state === 'failed' && !placed.has(`${old.versionId}@${old.nodeId}`),
  );
  return [...held, ...memories];
};

const arbitraryCluster = fc
  .record({
    nodes: fc.uniqueArray(
      fc.record({
        id: fc.integer({ min: 0, max: 30 }).map((n) => `node-${n}`),
        memoryBytes: fc.integer({ min: 0, max: 1_000 }),
        schedulable: fc.boolean(),
      }),
      { selector: (entry) => entry.id, maxLength: 8 },
    ),
    wanted: fc.uniqueArray(
      fc.record({
        versionId: fc.integer({ min: 0, max: 60 }).map((n) => `version-${n}`),
        replicas: fc.integer({ min: 1, max: 4 }),
        memoryBytes: fc.integer({ min: 1, max: 400 }),
        pinned: fc.boolean(),
        priority: fc.integer({ min: 0, max: 2 }),
      }),
      { selector: (entry) => entry.versionId, maxLength: 12 },
    ),
    replicas: fc.uniqueArray(
      fc.record({
        nodeId: fc.integer({ min: 0, max: 30 }).map((n) => `node-${n}`),
        versionId: fc.integer({ min: 0, max: 60 }).map((n) => `version-${n}`),
        state: fc.constantFrom('ready' as const, 'starting' as const, 'failed' as const),
        attempts: fc.integer({ min: 0, max: 3 }),
        retryAtMs: fc.integer({ min: nowMs - 10, max: nowMs + 10 }),
      }),
      { selector: (entry) => `${entry.versionId}@${entry.nodeId}`, maxLength: 30 },
    ),
  })
  .map(({ nodes, wanted, replicas }) => ({
    nodes: nodes.map((entry) => ({ ...entry, alive: true })),
    wanted,
    current: replicas,
  }));

describe('planPlacement, for any cluster', () => {
  const schedulableIds = (nodes: readonly PlacementNode[]): Set<string> =>
    new Set(nodes.filter((entry) => entry.schedulable).map((entry) => entry.id));

  it('gives no version more nodes than wanted, and a node once', () => {
    fc.assert(
      fc.property(arbitraryCluster, ({ nodes, wanted, current }) => {
        const plan = planPlacement(nodes, wanted, current, nowMs);
        const ids = schedulableIds(nodes);
        expect(new Set(pairs(plan.replicas)).size).toBe(plan.replicas.length);
        for (const entry of wanted) {
          const placed = plan.replicas.filter((r) => r.versionId === entry.versionId && ids.has(r.nodeId));
          const missing = plan.unplaced.find((u) => u.versionId === entry.versionId)?.missing ?? 0;
          expect(placed.length).toBeLessThanOrEqual(entry.replicas);
          expect(placed.length + missing).toBe(Math.min(entry.replicas, Math.max(1, ids.size)));
        }
      }),
    );
  });

  it('never fills a node over its memory', () => {
    fc.assert(
      fc.property(arbitraryCluster, ({ nodes, wanted, current }) => {
        const plan = planPlacement(nodes, wanted, current, nowMs);
        const sizes = new Map(wanted.map((entry) => [entry.versionId, entry.memoryBytes]));
        for (const entry of nodes.filter((candidate) => candidate.schedulable)) {
          const used = plan.replicas
            .filter((r) => r.nodeId === entry.id)
            .reduce((sum, r) => sum + (sizes.get(r.versionId) ?? 0), 0);
          expect(used).toBeLessThanOrEqual(entry.memoryBytes);
        }
      }),
    );
  });

  it('overcommits no pinned version, gives a node nothing that cannot be loaded there, and no more than it may', () => {
    const overcommit = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(arbitraryCluster, overcommit, ({ nodes, wanted, current }, factor) => {
        const plan = planPlacement(nodes, wanted, current, nowMs, factor);
        const byId = new Map(wanted.map((entry) => [entry.versionId, entry]));
        for (const entry of nodes.filter((candidate) => candidate.schedulable)) {
          const held = plan.replicas
            .filter((r) => r.nodeId === entry.id)
            .flatMap((r) => byId.get(r.versionId) ?? []);
          const pinned = held.filter((one) => one.pinned).reduce((sum, one) => sum + one.memoryBytes, 0);
          const others = held.filter((one) => !one.pinned).map((one) => one.memoryBytes);
          const left = entry.memoryBytes - pinned;
          expect(left).toBeGreaterThanOrEqual(0);
          expect(Math.max(0, ...others)).toBeLessThanOrEqual(left);
          expect(others.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(factor * left);
        }
      }),
    );
  });

  it('changes nothing when it sees its own plan', () => {
    fc.assert(
      fc.property(arbitraryCluster, ({ nodes, wanted, current }) => {
        const first = planPlacement(nodes, wanted, current, nowMs);
        const second = planPlacement(nodes, wanted, asCurrent(first.replicas, current), nowMs);
        expect(pairs(second.replicas)).toEqual(pairs(first.replicas));
      }),
      { numRuns: 500 },
    );
  });

  it('depends on nothing but the sets it is given, not on their order', () => {
    fc.assert(
      fc.property(arbitraryCluster, ({ nodes, wanted, current }) => {
        const plan = planPlacement(nodes, wanted, current, nowMs);
        const turned = planPlacement(
          [...nodes].reverse(),
          [...wanted].reverse(),
          [...current].reverse(),
          nowMs,
        );
        expect(pairs(turned.replicas)).toEqual(pairs(plan.replicas));
      }),
    );
  });

  it('uses no node that takes no work, unless the version is READY there and its successor is not', () => {
    fc.assert(
      fc.property(arbitraryCluster, ({ nodes, wanted, current }) => {
        const plan = planPlacement(nodes, wanted, current, nowMs);
        const ids = schedulableIds(nodes);
        for (const placed of plan.replicas.filter((r) => !ids.has(r.nodeId))) {
          const successors = plan.replicas.filter(
            (r) => r.versionId === placed.versionId && ids.has(r.nodeId),
          );
          const isReady = (nodeId: string) =>
            current.some(
              (r) => r.nodeId === nodeId && r.versionId === placed.versionId && r.state === 'ready',
            );
          expect(successors.length).toBeGreaterThan(0);
          expect(isReady(placed.nodeId)).toBe(true);
          expect(successors.some((r) => isReady(r.nodeId))).toBe(false);
        }
      }),
    );
  });

  it('moves only the replicas of a node that goes, when memory is ample', () => {
    const ample = arbitraryCluster.map(({ nodes, wanted }) => ({
      nodes: nodes.map((entry) => ({ ...entry, memoryBytes: 1_000_000, schedulable: true })),
      wanted,
    }));
    fc.assert(
      fc.property(ample, fc.nat(), ({ nodes, wanted }, pick) => {
        fc.pre(nodes.length > 1);
        const gone = nodes[pick % nodes.length]?.id;
        const before = planPlacement(nodes, wanted, [], nowMs).replicas;
        const rest = nodes.filter((entry) => entry.id !== gone);
        const after = planPlacement(rest, wanted, asCurrent(before), nowMs).replicas;
        const stayed = pairs(before.filter((placed) => placed.nodeId !== gone));
        expect(pairs(after)).toEqual(expect.arrayContaining(stayed));
        expect(after.length - stayed.length).toBeLessThanOrEqual(before.length - stayed.length);
      }),
    );
  });
});

describe('planPlacement', () => {
  it('spreads versions evenly by hash', () => {
    const nodes = ['a', 'b', 'c', 'd'].map((id) => node(id, { memoryBytes: 1e12 }));
    const wanted = Array.from({ length: 2_000 }, (_, i) => version(`01980000-0000-7000-8000-${i}`));
    const { replicas } = planPlacement(nodes, wanted, [], nowMs);
    for (const entry of nodes) {
      const count = replicas.filter((placed) => placed.nodeId === entry.id).length;
      expect(count).toBeGreaterThan(400);
      expect(count).toBeLessThan(600);
    }
  });

  it('leaves a running replica where it is when a node with a better hash joins', () => {
    const alone = planPlacement([node('a')], [version('v')], [], nowMs).replicas;
    expect(pairs(alone)).toEqual(['v@a']);
    for (const joined of ['b', 'c', 'd', 'e'])
      expect(
        pairs(planPlacement([node('a'), node(joined)], [version('v')], asCurrent(alone), nowMs).replicas),
      ).toEqual(['v@a']);
  });

  it('tries another node while one backs off, and that one again when its time has come', () => {
    const failed = replica('a', 'v', { state: 'failed', attempts: 1, retryAtMs: nowMs + 5_000 });
    const both = [node('a'), node('b')];
    expect(pairs(planPlacement(both, [version('v')], [failed], nowMs).replicas)).toEqual(['v@b']);
    const waiting = planPlacement([node('a')], [version('v')], [failed], nowMs);
    expect(waiting.replicas).toEqual([]);
    expect(waiting.unplaced).toEqual([
      {
        versionId: 'v',
        missing: 1,
        reason: 'It failed on every node that could take it; the next try is in 5 s.',
      },
    ]);
    expect(pairs(planPlacement([node('a')], [version('v')], [failed], nowMs + 5_000).replicas)).toEqual([
      'v@a',
    ]);
  });

  it('keeps a drained node serving until the successor is READY, then lets it go', () => {
    const nodes = [node('a', { schedulable: false }), node('b')];
    const draining = [replica('a', 'v')];
    const started = planPlacement(nodes, [version('v')], draining, nowMs).replicas;
    expect(pairs(started)).toEqual(['v@a', 'v@b']);
    const done = planPlacement(nodes, [version('v')], [replica('a', 'v'), replica('b', 'v')], nowMs).replicas;
    expect(pairs(done)).toEqual(['v@b']);
  });

  it('lets the last node go when it is drained', () => {
    const plan = planPlacement(
      [node('a', { schedulable: false })],
      [version('v')],
      [replica('a', 'v')],
      nowMs,
    );
    expect(plan.replicas).toEqual([]);
    expect(plan.unplaced[0]?.reason).toBe('Every node is drained.');
  });

  it('lets what gets traffic displace what does not when memory is short', () => {
    const nodes = [node('a', { memoryBytes: 150 * MiB })];
    const wanted = [version('idle', { priority: 2 }), version('live', { priority: 0 })];
    const plan = planPlacement(nodes, wanted, [replica('a', 'idle')], nowMs);
    expect(pairs(plan.replicas)).toEqual(['live@a']);
    expect(plan.unplaced).toEqual([
      {
        versionId: 'idle',
        missing: 1,
        reason: 'It needs 100 MiB of memory; the most that a node has free is 50 MiB.',
      },
    ]);
  });

  it('overcommits a node with what can be evicted, but first fills the nodes that have room', () => {
    const nodes = ['a', 'b'].map((id) => node(id, { memoryBytes: 150 * MiB }));
    const wanted = ['v1', 'v2', 'v3', 'v4'].map((id) => version(id));
    const plan = planPlacement(nodes, wanted, [], nowMs, 2);
    expect(plan.unplaced).toEqual([]);
    expect(plan.replicas.slice(0, 2).map((one) => one.nodeId)).toHaveLength(2);
    expect(new Set(plan.replicas.slice(0, 2).map((one) => one.nodeId)).size).toBe(2);
    const pinned = planPlacement(
      nodes,
      [...wanted, version('p', { pinned: true, priority: 9 })],
      [],
      nowMs,
      2,
    );
    expect(pinned.replicas).toContainEqual(expect.objectContaining({ versionId: 'p' }));
    expect(pinned.unplaced.map((one) => one.versionId)).not.toContain('p');
  });

  it('displaces nothing while another node has room', () => {
    const nodes = ['a', 'b', 'c'].map((id) => node(id, { memoryBytes: 150 * MiB }));
    const idle = [replica('a', 'idle-a'), replica('b', 'idle-b')];
    const wanted = [
      version('live', { priority: 0 }),
      version('idle-a', { priority: 2 }),
      version('idle-b', { priority: 2 }),
    ];
    expect(pairs(planPlacement(nodes, wanted, idle, nowMs).replicas)).toEqual([
      'idle-a@a',
      'idle-b@b',
      'live@c',
    ]);
  });

  it('says when no node is up', () => {
    expect(planPlacement([], [version('v')], [], nowMs).unplaced[0]?.reason).toBe('No node is up.');
  });
});
