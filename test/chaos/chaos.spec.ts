/**
 * The whole platform under load while its parts are killed, stopped and cut off. What callers may notice is said in each case; what
 * they may never notice is a failure that a retry of the gateway could have spared them, or one that goes on.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { irisRequest } from '../support/iris.js';
import { failures, nodeOutcomeOf, outcomeOf, startLoad } from '../support/load.js';
import type { Load } from '../support/load.js';
import { eventually, pause, startPlatform } from '../support/platform.js';
import type { Caller, Platform } from '../support/platform.js';

const stutterMs = 200;
let platform: Platform;
let caller: Caller;
const stopped = new Set<number>();

beforeAll(async () => {
  platform = await startPlatform({ nodes: 2 });
  caller = await platform.createCaller(['infer']);
});
beforeEach(async () => {
  await replicasReady();
  await bothServe();
});
afterEach(() => {
  for (const pid of stopped) resume(pid);
});
afterAll(async () => platform.stop());

function freeze(pid: number): void {
  process.kill(pid, 'SIGSTOP');
  stopped.add(pid);
}

function resume(pid: number): void {
  process.kill(pid, 'SIGCONT');
  stopped.delete(pid);
}

async function pidOf(part: string): Promise<number> {
  const { pids } = await platform.connection();
  const pid = pids[part];
  if (pid === undefined) throw new Error(`no ${part} among ${Object.keys(pids).join(', ')}`);
  return pid;
}

const restarted = (part: string, before: number): Promise<true> =>
  eventually(async () => (await pidOf(part)) !== before || undefined, `${part} is started again`);

/** Both versions of the sample are READY on both nodes. */
const replicasReady = (): Promise<true> =>
  eventually(async () => {
    const { items } = await platform.admin.nodes.list();
    const ready = items.flatMap((node) =>
      node.state === 'READY' ? node.replicas.filter((replica) => replica.state === 'READY') : [],
    );
    return ready.length === 4 || undefined;
  }, 'four replicas are READY');

/** The gateway, too, sends requests to both nodes: one that it had ejected may be back at the registry before. */
const bothServe = (): Promise<true> =>
  eventually(async () => {
    for (const version of [1, 2]) {
      const answers = await Promise.all(
        Array.from({ length: 16 }, () => caller.infer(`iris/versions/${version}`, irisRequest)),
      );
      await Promise.all(answers.map((answer) => answer.arrayBuffer()));
      if (new Set(answers.map(({ headers }) => headers.get('x-sluice-node'))).size < 2) return undefined;
    }
    return true;
  }, 'both nodes answer for both versions');

const countFailures = (load: Load): number => failures(load).reduce((sum, [, count]) => sum + count, 0);

/** What the registry has been told of the caller's requests. */
async function requestsCounted({ clientId }: Caller): Promise<number> {
  const dayMs = 86_400_000;
  const { items } = await platform.admin.usage.read({
    query: {
      from: new Date(Date.now() - dayMs).toISOString(),
      to: new Date(Date.now() + dayMs).toISOString(),
      group_by: 'client_id',
      client_id: clientId,
    },
  });
  return items.reduce((sum, { requests }) => sum + requests, 0);
}

describe('a node', () => {
  it('that becomes a black hole is left alone: only what it already had may fail', async () => {
    const callers = 8;
    const load = startLoad(caller, 'iris', { ...irisRequest, parameters: { timeout: 2_000_000 } }, callers);
    await load.after(300);
    freeze(await pidOf('node-1'));
    await load.after(4_000);
    const lost = countFailures(load);
    expect(lost).toBeLessThanOrEqual(2 * callers);
    await load.after(2_000);
    expect(countFailures(load)).toBe(lost);
    resume(await pidOf('node-1'));
    await load.stop();
    await replicasReady();
  });

  it('that is slow costs time, not answers, and most requests go to the other', async () => {
    const load = startLoad(caller, 'iris', irisRequest, 8, nodeOutcomeOf);
    const node = await pidOf('node-2');
    for (let i = 0; i < 12; i += 1) {
      freeze(node);
      // Not until so many answers: all callers may be waiting for this node.
      await pause(stutterMs);
      resume(node);
      await load.after(100);
    }
    await load.stop();
    expect(failures(load)).toEqual([]);
    const { items } = await platform.admin.nodes.list();
    const answersOf = (name: string): number => {
      const id = items.find((one) => one.name === name)?.id ?? 'nobody';
      return [...load.counts].reduce((sum, [what, count]) => sum + (what.endsWith(id) ? count : 0), 0);
    };
    expect(answersOf('node-2')).toBeLessThan(answersOf('node-1'));
  });

  it.each([
    ['killed with -9', 1],
    ['that flaps, killed with -9 again and again,', 3],
  ])('%s costs no answer', async (_, times) => {
    const load = startLoad(caller, 'iris', irisRequest, 8);
    for (let i = 0; i < times; i += 1) {
      const before = await pidOf('node-1');
      process.kill(before, 'SIGKILL');
      await restarted('node-1', before);
      await load.after(500);
    }
    await replicasReady();
    await load.stop();
    expect(failures(load)).toEqual([]);
  });
});

describe('the control plane', () => {
  it('may hang while a gateway is killed with -9: it serves from its saved snapshot', async () => {
    const token = await caller.token();
    const [registry, before] = [await pidOf('registry'), await pidOf('gateway')];
    freeze(registry);
    process.kill(before, 'SIGKILL');
    const killedAtMs = performance.now();
    await eventually(async () => {
      const response = await fetch(`${platform.gatewayUrl}/v2/models/iris/infer`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(irisRequest),
      });
      return (await outcomeOf(response)).startsWith('version') || undefined;
    }, 'a gateway answers without the registry');
    // The supervisor's pause before a restart, the start of a Node process, and the two seconds of the promise.
    expect(performance.now() - killedAtMs).toBeLessThan(15_000);
    resume(registry);
    await replicasReady();
  });

  it.each(['registry', 'postgres'])(
    'may lose its %s: predictions go on, and on its return each is counted, once',
    async (part) => {
      const metered = await platform.createCaller(['infer']);
      expect(await outcomeOf(await metered.infer('iris', irisRequest))).toMatch(/^version/);
      const load = startLoad(metered, 'iris', irisRequest, 4);
      const before = await pidOf(part);
      await load.after(200);
      process.kill(before, 'SIGKILL');
      await restarted(part, before);
      await load.after(1_000);
      await load.stop();
      expect(failures(load)).toEqual([]);
      const answers = 1 + [...load.counts.values()].reduce((sum, count) => sum + count, 0);
      await eventually(async () => {
        const counted = await requestsCounted(metered);
        expect(counted).toBeLessThanOrEqual(answers);
        return counted === answers || undefined;
      }, `${answers} requests are counted`);
    },
  );

  it('takes up changes again after its database was away: a newcomer is served', async () => {
    const before = await pidOf('postgres');
    process.kill(before, 'SIGKILL');
    await restarted('postgres', before);
    const newcomer = await eventually(() => platform.createCaller(['infer']), 'a client can be made');
    expect(
      await eventually(async () => {
        const outcome = await outcomeOf(await newcomer.infer('iris', irisRequest));
        return outcome.startsWith('version') ? outcome : undefined;
      }, 'the newcomer is served'),
    ).toMatch(/^version/);
  });
});

describe('a release', () => {
  it('loses nothing while weights and aliases change and a node drains', async () => {
    const { admin } = platform;
    await replicasReady();
    const load = startLoad(caller, 'iris', irisRequest, 8);
    const { items } = await admin.nodes.list();
    const node_id = items[0]?.id ?? '';
    for (let i = 0; i < 12; i += 1) {
      const params = { endpoint: 'iris' };
      const { revision } = await admin.endpoints.read({ params });
      const weight = (i * 17) % 100;
      await admin.aliases.set({ params: { model: 'iris', alias: 'moving' }, body: { version: 1 + (i % 2) } });
      await admin.endpoints.setTraffic({
        params,
        headers: { 'if-match': `"${revision}"` },
        body: {
          rules: [{ header: 'x-never', value: 'sent', version: 'moving' }],
          split: [
            { version: 1, weight: 100 - weight },
            { version: 2, weight },
          ],
        },
      });
      if (i === 3) await admin.nodes.drain({ params: { node_id } });
      if (i === 8) await admin.nodes.resume({ params: { node_id } });
      await load.after(150);
    }
    await load.stop();
    expect(failures(load)).toEqual([]);
    await replicasReady();
  });
});
