/** A version's config changes while callers use it: the new revision is loaded, takes over, and the old one drains; nobody notices. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identityModel } from '../support/onnx-model.js';
import { NodeUnderTest } from '../support/node.js';
import type { JsonTensor } from '../support/node.js';
import { busyModel, runners, size, whenComputing } from '../support/runners.js';

let node: NodeUnderTest;
const files = { 'model.onnx': identityModel('FP32') };
const one: JsonTensor[] = [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }];

beforeEach(async () => {
  node = await NodeUnderTest.start({ SLUICE_NODE_CORES: '2', SLUICE_NODE_MEMORY_BYTES: String(2 ** 30) });
});
afterEach(() => node.close());

/** Callers that go on until told to stop; resolves to how often each status came. */
function startCalling(callers: number): { stop(): Promise<Map<number, number>> } {
  const statuses = new Map<number, number>();
  let isRunning = true;
  const loops = Array.from({ length: callers }, async () => {
    while (isRunning) {
      const { status } = await node.infer('m/versions/1', one);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  });
  return {
    stop: async () => {
      isRunning = false;
      await Promise.all(loops);
      return statuses;
    },
  };
}

const whenOnlyOneIsHeld = (): Promise<true> =>
  node.registry.when(() => (node.registry.reports.at(-1)?.replicas.length === 1 ? true : undefined));

describe('an alias', () => {
  it('names another version from the next assignments on, and nothing is loaded anew', async () => {
    const load = (version: number, aliases: string[]) =>
      node.load({ model: 'named', version, files, config: { instances: 1 }, aliases });
    const { assignment: first } = await load(1, ['champion']);
    const { assignment: second } = await load(2, []);
    const champion = async (): Promise<unknown> =>
      (await node.infer('named/versions/champion', one)).body['model_version'];
    expect(await champion()).toBe('1');
    const processes = runners();
    node.registry.rename(
      new Map([
        [first, []],
        [second, ['champion']],
      ]),
    );
    while ((await champion()) !== '2');
    expect(runners()).toEqual(processes);
    const labelled = await node.send('POST', '/v1/models/named/labels/champion:predict', {
      body: '{"instances":[1]}',
    });
    expect(labelled).toMatchObject({ status: 200, body: { predictions: [1] } });
    node.registry.rename(new Map([[second, []]]));
    while ((await champion()) !== undefined);
    expect(await node.infer('named/versions/champion', one)).toMatchObject({
      status: 404,
      code: 'VERSION_NOT_FOUND',
    });
  });
});

describe('a new config revision', () => {
  it('replaces the old one under load, several times, without a failed request', async () => {
    const { assignment } = await node.load({ model: 'm', files, config: { instances: 1 } });
    const calling = startCalling(4);
    let current = assignment;
    for (const config of [
      { instances: 2, intra_op_threads: 1 },
      { instances: 1, max_batch_size: 4, max_queue_delay_us: 200 },
      { graph_optimization: 'basic', warmup: false, pinned: true },
    ] as const) {
      current = node.registry.reconfigure(current, config);
      await node.registry.whenReported(current, ({ state }) => state === 'READY');
      await whenOnlyOneIsHeld();
    }
    const statuses = await calling.stop();
    expect([...statuses.keys()]).toEqual([200]);
    expect(statuses.get(200)).toBeGreaterThan(20);
    expect(runners()).toHaveLength(2);
  });

  it('lets the old one finish what it has begun', async () => {
    const { assignment } = await node.load({
      model: 'm',
      files: { 'model.onnx': busyModel },
      config: { instances: 1, warmup: false },
    });
    const [old = 0] = runners();
    const long = node.infer('m', size(3_500));
    await whenComputing(old);
    const changed = node.registry.reconfigure(assignment, { instances: 1, warmup: false, max_queue_size: 7 });
    await node.registry.whenReported(changed, ({ state }) => state === 'READY');
    expect((await node.infer('m', size(4))).status).toBe(200);
    expect((await long).status).toBe(200);
    await whenOnlyOneIsHeld();
    expect(runners()).not.toContain(old);
  });

  it('that cannot be loaded is reported beside the old one, which goes on serving', async () => {
    const { assignment } = await node.load({ model: 'm', files, config: { instances: 1 } });
    const calling = startCalling(2);
    const tooLarge = node.registry.reconfigure(assignment, { instances: 64 });
    const report = await node.registry.whenReported(tooLarge, ({ state }) => state === 'FAILED');
    expect(report.reason).toMatch(/MiB of memory/);
    const both = node.registry.reports.at(-1)?.replicas.map((one) => [one.config_revision, one.state]);
    expect(both?.toSorted()).toEqual([
      [1, 'READY'],
      [2, 'FAILED'],
    ]);
    const statuses = await calling.stop();
    expect([...statuses.keys()]).toEqual([200]);
  });

  it('takes the place of one that was evicted or is being replaced, whichever comes last', async () => {
    const { assignment } = await node.load({ model: 'm', files, config: { instances: 1 } });
    const second = node.registry.reconfigure(assignment, { instances: 1, max_queue_size: 2 });
    const third = node.registry.reconfigure(second, { instances: 1, max_queue_size: 3 });
    await node.registry.whenReported(third, ({ state }) => state === 'READY');
    await whenOnlyOneIsHeld();
    expect((await node.infer('m', one)).status).toBe(200);
    expect(runners()).toHaveLength(1);
  });
});
