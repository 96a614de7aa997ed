/** Processes die and go away under load; callers of the public address must not notice. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { irisRequest } from '../support/iris.js';
import { failures, outcomeOf, startLoad } from '../support/load.js';
import { eventually, startPlatform } from '../support/platform.js';
import type { Caller, Platform } from '../support/platform.js';

let platform: Platform;
let caller: Caller;

beforeAll(async () => {
  platform = await startPlatform({ nodes: 2 });
  caller = await platform.createCaller(['infer']);
  await replicasReady();
});
afterAll(async () => platform.stop());

/** Both versions of the sample are READY on both nodes. */
async function replicasReady(): Promise<void> {
  await eventually(async () => {
    const { items } = await platform.admin.nodes.list();
    const ready = items.flatMap((node) =>
      node.state === 'READY' ? node.replicas.filter((replica) => replica.state === 'READY') : [],
    );
    return ready.length === 4 || undefined;
  }, 'four replicas are READY');
}

async function pidOf(part: string): Promise<number> {
  const { pids } = await platform.connection();
  const pid = pids[part];
  if (pid === undefined) throw new Error(`no ${part} among ${Object.keys(pids).join(', ')}`);
  return pid;
}

describe('under load', () => {
  it('loses no request when a node is killed with -9, and the node comes back', async () => {
    const load = startLoad(caller, 'iris', irisRequest, 8);
    await load.after(500);
    const before = await pidOf('node-1');
    process.kill(before, 'SIGKILL');
    await load.after(2_000);
    await eventually(
      async () => (await pidOf('node-1')) !== before || undefined,
      'the node is started again',
    );
    await replicasReady();
    await load.after(500);
    await load.stop();
    expect(failures(load)).toEqual([]);
  });

  it('goes on predicting while the registry hangs, and follows it again after', async () => {
    const registry = await pidOf('registry');
    const load = startLoad(caller, 'iris', irisRequest, 4);
    await load.after(200);
    process.kill(registry, 'SIGSTOP');
    try {
      await load.after(2_000);
    } finally {
      process.kill(registry, 'SIGCONT');
    }
    await load.stop();
    expect(failures(load)).toEqual([]);
    await eventually(
      async () => (await platform.admin.models.list()).items.length > 0 || undefined,
      'the registry answers',
    );
    await replicasReady();
    const newcomer = await platform.createCaller(['infer']);
    expect(await outcomeOf(await newcomer.infer('iris', irisRequest))).toMatch(/^version/);
  });

  it('loses no request when the registry is killed with -9', async () => {
    const load = startLoad(caller, 'iris', irisRequest, 4);
    const registry = await pidOf('registry');
    await load.after(200);
    process.kill(registry, 'SIGKILL');
    await eventually(
      async () => (await pidOf('registry')) !== registry || undefined,
      'the registry is started again',
    );
    await load.after(500);
    await load.stop();
    expect(failures(load)).toEqual([]);
    await replicasReady();
  });

  it('drains a node for its operator without a lost request, and takes it back', async () => {
    const load = startLoad(caller, 'iris', irisRequest, 4);
    const { items } = await platform.admin.nodes.list();
    const node_id = items[0]?.id ?? '';
    await platform.admin.nodes.drain({ params: { node_id } });
    await eventually(async () => {
      const node = await platform.admin.nodes.read({ params: { node_id } });
      return node.replicas.length === 0 || undefined;
    }, 'the drained node holds nothing');
    await load.after(500);
    await platform.admin.nodes.resume({ params: { node_id } });
    await replicasReady();
    await load.stop();
    expect(failures(load)).toEqual([]);
  });
});
