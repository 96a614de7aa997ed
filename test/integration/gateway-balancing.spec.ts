/** Which replica gets a request, and how large it may be: load hints, the bound of each replica, limits of an endpoint. */
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sluiceHeaders } from '#contracts/oip';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import {
  TestNode,
  TestRegistry,
  cleanUp,
  makeSnapshot,
  makeToken,
  publish,
  startTestGateway,
  until,
} from './gateway-harness.js';
import type { SnapshotWishes } from './gateway-harness.js';

let registry: TestRegistry;
let authorization: string;
beforeEach(async () => {
  registry = await TestRegistry.start();
  authorization = `Bearer ${await makeToken(registry.keys)}`;
});
afterEach(cleanUp);

async function start(
  nodes: readonly TestNode[],
  wishes: Partial<SnapshotWishes> = {},
  settings: Parameters<typeof startTestGateway>[1] = {},
): Promise<Gateway> {
  const gateway = await startTestGateway(registry.url, settings);
  const versions = { 1: nodes.map(({ replica }) => replica) };
  await publish(registry, gateway, makeSnapshot({ keys: registry.keys, versions, ...wishes }));
  return gateway;
}

const infer = (gateway: Gateway, init: RequestInit = {}): Promise<Response> =>
  fetch(`${gateway.url}/v2/models/iris/infer`, {
    method: 'POST',
    body: '{}',
    ...init,
    headers: { authorization },
  });

describe('load hints', () => {
  it('send requests to the replica with fewer of other gateways, and never reach the caller', async () => {
    const [busy, idle] = [await TestNode.start('busy'), await TestNode.start('idle')];
    for (const [node, load] of [
      [busy, '40'],
      [idle, '0'],
    ] as const)
      node.respond = (_req, res) => res.writeHead(200, { [sluiceHeaders.load]: load }).end('{}');
    const gateway = await start([busy, idle]);
    for (let i = 0; i < 40; i++) {
      const response = await infer(gateway);
      await response.arrayBuffer();
      expect(response.headers.has(sluiceHeaders.load)).toBe(false);
    }
    expect(idle.seen.length).toBeGreaterThan(30);
  });

  it('that are nonsense count for nothing', async () => {
    const node = await TestNode.start('one');
    node.respond = (_req, res) => res.writeHead(200, { [sluiceHeaders.load]: '-1e309' }).end('{}');
    const gateway = await start([node]);
    expect((await infer(gateway)).status).toBe(200);
    expect([...gateway.core.upstreams.all()][0]?.load.elsewhere).toBe(0);
  });
});

describe('the bound of a replica', () => {
  it('holds for each of them, also while another is ejected', async () => {
    const [one, two] = [await TestNode.start('one'), await TestNode.start('two')];
    const held: ServerResponse[] = [];
    for (const node of [one, two]) node.respond = (_req, res) => void held.push(res);
    const gateway = await start(
      [one, two],
      {},
      { SLUICE_GATEWAY_NODE_CONNECTIONS: 3, SLUICE_GATEWAY_MAX_WAITING: 0 },
    );
    const ejected = [...gateway.core.upstreams.all()].find(({ nodeId }) => nodeId === two.id);
    if (ejected) ejected.health.ejectedUntilMs = Infinity;
    const three = [infer(gateway), infer(gateway), infer(gateway)];
    await until(() => one.seen.length === 3, 'three at the first');
    const fourth = await infer(gateway);
    expect([fourth.status, fourth.headers.get('x-sluice-code')]).toEqual([503, 'OVERLOADED']);
    if (ejected) ejected.health.ejectedUntilMs = 0;
    const more = [infer(gateway), infer(gateway), infer(gateway)];
    await until(() => two.seen.length === 3, 'three at the second');
    expect(one.seen).toHaveLength(3);
    for (const res of held) res.end('{}');
    for (const answer of [...three, ...more]) expect((await answer).status).toBe(200);
  });
});

describe('the deadline of a request', () => {
  it('goes on to the node as what is left of it, less with the second try, and bounded by the gateway', async () => {
    const nodes = [await TestNode.start('one'), await TestNode.start('two')];
    const lefts: number[] = [];
    for (const node of nodes)
      node.respond = (req, res) => {
        lefts.push(Number(req.headers[sluiceHeaders.deadlineMs]));
        if (lefts.length === 1) setTimeout(() => res.writeHead(503).end(), 30);
        else res.end('{}');
      };
    const gateway = await start(nodes, { timeoutMs: 9_000 }, { SLUICE_GATEWAY_MAX_TIMEOUT_MS: 20_000 });
    const asking = (wanted: Record<string, string>) =>
      fetch(`${gateway.url}/v2/models/iris/infer`, {
        method: 'POST',
        body: '{}',
        headers: { authorization, ...wanted },
      });
    expect((await asking({ [sluiceHeaders.deadlineMs]: '5000' })).status).toBe(200);
    const [first = NaN, second = NaN] = lefts;
    expect(first).toBeLessThanOrEqual(5_000);
    expect(first - second).toBeGreaterThanOrEqual(25);
    for (const [wanted, bound] of [
      [{}, 9_000],
      [{ [sluiceHeaders.deadlineMs]: '999999' }, 20_000],
    ] as const) {
      expect((await asking(wanted)).status).toBe(200);
      expect(lefts.at(-1)).toBeLessThanOrEqual(bound);
      expect(lefts.at(-1)).toBeGreaterThan(bound - 4_000);
    }
  });
});

describe('the largest body of an endpoint', () => {
  it.each([
    ['announced', 'x'.repeat(101)],
    ['chunked', new Blob(['x'.repeat(60), 'x'.repeat(60)]).stream()],
  ])('refuses a larger one that is %s, and takes one that fits', async (_, body) => {
    const node = await TestNode.start('one');
    const traffic = { split: [{ version: 1, weight: 1 }], max_body_bytes: 100 };
    const gateway = await start([node], { traffic });
    const refused = await infer(gateway, { body, duplex: 'half' });
    expect([refused.status, refused.headers.get('x-sluice-code')]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
    expect(await refused.text()).toContain('100 bytes');
    expect((await infer(gateway, { body: 'x'.repeat(100) })).status).toBe(200);
    expect(node.seen.map((seen) => seen.body.length)).toEqual([100]);
  });

  it('cannot be wider than the gateway’s own', async () => {
    const node = await TestNode.start('one');
    const traffic = { split: [{ version: 1, weight: 1 }], max_body_bytes: 1_000 };
    const gateway = await start([node], { traffic }, { SLUICE_GATEWAY_MAX_BODY_BYTES: 50 });
    expect((await infer(gateway, { body: 'x'.repeat(51) })).status).toBe(413);
  });
});
