/** A node that was given more than fits: idle versions leave memory and come back on demand, runners that grow are replaced. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Assignment, ReplicaReport } from '#contracts/nodes';
import { identityModel } from '../support/onnx-model.js';
import { NodeUnderTest } from '../support/node.js';
import type { JsonTensor } from '../support/node.js';
import { busyModel, residentMiB, runners, size, whenComputing } from '../support/runners.js';

let node: NodeUnderTest;
const identity = { 'model.onnx': identityModel('FP32') };
const busy = { 'model.onnx': busyModel };
const one: JsonTensor[] = [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }];
const alone = { instances: 1 };

afterEach(() => node.close());

const startNode = async (settings: Record<string, string>): Promise<void> => {
  node = await NodeUnderTest.start(settings);
};
const loadIdentity = async (model: string, pinned = false): Promise<Assignment> =>
  (await node.load({ model, files: identity, config: { ...alone, pinned } })).assignment;

const isEvicted = ({ state, reason }: ReplicaReport): boolean =>
  state === 'READY' && reason === 'loaded on demand';
const isThere = ({ state, reason }: ReplicaReport): boolean => state === 'READY' && reason === null;

/** Room for so many runners of a small model; how large one is depends on the machine. */
async function startFor(count: number): Promise<void> {
  await startNode({});
  await loadIdentity('sample');
  const mebibytes = residentMiB(runners()[0] ?? 0);
  await node.close();
  const bytes = Math.round((count + 0.6) * mebibytes * 2 ** 20);
  await startNode({ SLUICE_NODE_MEMORY_BYTES: String(bytes) });
}

describe('a node that was given more than fits', () => {
  it('evicts the version used longest ago, which stays READY and comes back with the next request', async () => {
    await startFor(2);
    const [a, b] = [await loadIdentity('a'), await loadIdentity('b')];
    const c = await loadIdentity('c');
    await node.registry.whenReported(a, isEvicted);
    expect(runners()).toHaveLength(2);
    expect((await node.infer('a', one)).status).toBe(200);
    await node.registry.whenReported(a, isThere);
    await node.registry.whenReported(b, isEvicted);
    expect((await node.infer('c', one)).status).toBe(200);
    expect(node.registry.reports.at(-1)?.replicas.find((r) => r.version_id === c.version_id)).toMatchObject({
      state: 'READY',
      reason: null,
    });
    expect(runners()).toHaveLength(2);
  });

  it('loads once for all who wait', async () => {
    await startFor(1);
    const a = await loadIdentity('a');
    await loadIdentity('b');
    await node.registry.whenReported(a, isEvicted);
    const [before] = runners();
    const answers = await Promise.all(Array.from({ length: 20 }, () => node.infer('a', one)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(runners()).toHaveLength(1);
    expect(runners()).not.toContain(before);
  });

  it('never evicts a pinned version, and refuses in words what does not fit beside it', async () => {
    await startFor(2);
    const pinned = await loadIdentity('pinned', true);
    await loadIdentity('a');
    const [pid] = runners();
    await loadIdentity('b');
    expect((await node.infer('a', one)).status).toBe(200);
    expect(runners()).toContain(pid);
    await node.registry.whenReported(pinned, isThere);
    const large = node.registry.assign({ model: 'large', files: identity, config: { instances: 40 } });
    const report = await node.registry.whenReported(large, ({ state }) => state === 'FAILED');
    expect(report).toMatchObject({ permanent: false });
    expect(report.reason).toMatch(/^It needs \d+ MiB of memory; this node has \d+ MiB, of which pinned/);
  });

  it('never evicts a busy version; who needs its memory waits, within the deadline', async () => {
    await startFor(1);
    const a = await loadIdentity('a');
    const { assignment: b } = await node.load({
      model: 'b',
      files: busy,
      config: { ...alone, warmup: false },
    });
    await node.registry.whenReported(a, isEvicted);
    const running = node.infer('b', size(2_500));
    await whenComputing(runners()[0] ?? 0);
    expect(await node.infer('a', one, { 'x-sluice-deadline-ms': '50' })).toMatchObject({ status: 504 });
    const waiting = node.infer('a', one);
    expect((await running).status).toBe(200);
    expect((await waiting).status).toBe(200);
    await node.registry.whenReported(b, isEvicted);
  });
});

describe('a runner that outgrows its limit', () => {
  it('is replaced without a failed request', async () => {
    await startNode({ SLUICE_NODE_RUNNER_MAX_BYTES: '1000' });
    await node.load({ model: 'm', files: busy, config: { ...alone, warmup: false } });
    const [before] = runners();
    const outcomes = new Map<number, number>();
    const stop = new AbortController();
    const traffic = Array.from({ length: 4 }, async () => {
      while (!stop.signal.aborted) {
        const { status } = await node.infer('m', size(64));
        outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
      }
    });
    expect((await node.infer('m', size(3_600))).status).toBe(200);
    await vi.waitUntil(() => !runners().includes(before ?? 0), { timeout: 20_000, interval: 50 });
    expect((await node.infer('m', size(4))).status).toBe(200);
    stop.abort();
    await Promise.all(traffic);
    expect([...outcomes.keys()]).toEqual([200]);
    expect(runners()).toHaveLength(1);
  });
});
