/** More requests than the nodes can take: some wait shortly, the rest is told at once, and health stays reachable. */
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
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

afterEach(cleanUp);

async function stage(settings: Parameters<typeof startTestGateway>[1]) {
  const registry = await TestRegistry.start();
  const gateway = await startTestGateway(registry.url, { SLUICE_GATEWAY_NODE_CONNECTIONS: 2, ...settings });
  const node = await TestNode.start('busy');
  const held: ServerResponse[] = [];
  node.respond = (_req, res) => void held.push(res);
  await publish(registry, gateway, makeSnapshot({ keys: registry.keys, versions: { 1: [node.replica] } }));
  const authorization = `Bearer ${await makeToken(registry.keys)}`;
  const infer = (): Promise<Response> =>
    fetch(`${gateway.url}/v2/models/iris/infer`, { method: 'POST', body: '{}', headers: { authorization } });
  const waiting = (): number => gateway.core.upstreams.waiting;
  return { gateway, node, held, infer, waiting };
}

describe('overload', () => {
  it('two at the node, two wait, the fifth is refused at once; none of the others is lost', async () => {
    const { gateway, node, held, infer, waiting } = await stage({
      SLUICE_GATEWAY_MAX_WAITING: 2,
      SLUICE_GATEWAY_MAX_WAIT_MS: 30_000,
    });
    const four = [infer(), infer(), infer(), infer()];
    await until(() => held.length === 2 && waiting() === 2, 'two at the node, two waiting');
    const fifth = await infer();
    expect([fifth.status, fifth.headers.get('x-sluice-code'), fifth.headers.get('retry-after')]).toEqual([
      503,
      'OVERLOADED',
      '1',
    ]);
    expect((await fetch(`${gateway.url}/v2/health/ready`)).status).toBe(200);
    expect((await fetch(`${gateway.adminUrl}/health/ready`)).status).toBe(200);
    node.respond = (_req, res) => res.end('{}');
    for (const res of held) res.end('{}');
    for (const answer of four) expect((await answer).status).toBe(200);
    expect(waiting()).toBe(0);
  });

  it('who waits too long is refused, and who leaves gives up its place', async () => {
    const { held, infer, waiting } = await stage({
      SLUICE_GATEWAY_MAX_WAITING: 1,
      SLUICE_GATEWAY_MAX_WAIT_MS: 50,
    });
    const two = [infer(), infer()];
    await until(() => held.length === 2, 'two at the node');
    const late = await infer();
    expect([late.status, late.headers.get('x-sluice-code')]).toEqual([503, 'OVERLOADED']);
    expect(waiting()).toBe(0);
    for (const res of held) res.end('{}');
    for (const answer of two) expect((await answer).status).toBe(200);
  });
});
