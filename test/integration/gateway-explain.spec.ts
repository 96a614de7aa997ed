/** The gateway's `explain` says what a request really meets. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import {
  TestNode,
  TestRegistry,
  cleanUp,
  makeSnapshot,
  makeToken,
  startTestGateway,
} from './gateway-harness.js';

let registry: TestRegistry;
let gateway: Gateway;
let one: TestNode;
let two: TestNode;

const beta = {
  match: [
    { header: 'X-Beta', value: 'yes' },
    { claim: 'groups', value: 'ml' },
  ],
};

beforeEach(async () => {
  registry = await TestRegistry.start();
  [one, two] = [await TestNode.start('one'), await TestNode.start('two')];
  gateway = await startTestGateway(registry.url);
  registry.publish(
    makeSnapshot({
      keys: registry.keys,
      revision: 7,
      versions: { 1: [one.replica], 2: [two.replica], 3: [] },
      aliases: { next: 3 },
      traffic: {
        rules: [
          { ...beta, version: 'next' },
          { ...beta, version: 2 },
        ],
        split: [
          { version: 1, weight: 3 },
          { version: 2, weight: 1 },
          { version: 3, weight: 4 },
        ],
        sticky: { by: 'claim', name: 'user' },
        shadow: { version: 2, share: 0.1 },
        hedge: true,
        max_body_bytes: 1_000,
      },
      quotas: [
        { name: 'for-all', limit: 10 },
        { name: 'for-lab', client_id: 'lab', limit: 5 },
      ],
    }),
  );
  await gateway.ready;
});
afterEach(cleanUp);

async function explained(query: string, scope = 'admin'): Promise<{ status: number; body: unknown }> {
  const token = await makeToken(registry.keys, { scope });
  const response = await fetch(`${gateway.adminUrl}/explain?${query}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return { status: response.status, body: await response.json() };
}

async function answeredBy(
  headers: Record<string, string>,
  claims: Record<string, unknown>,
): Promise<string | null> {
  const token = await makeToken(registry.keys, { claims });
  const response = await fetch(`${gateway.url}/v2/models/iris/infer`, {
    method: 'POST',
    body: '{}',
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  await response.arrayBuffer();
  return response.headers.get('x-sluice-version');
}

describe('explain', () => {
  it('names the rule that all matches lead to, past one whose version is not ready', async () => {
    const { body } = await explained('endpoint=iris&header=X-Beta:yes&claim=groups:ml&client=lab');
    expect(body).toMatchObject({
      revision: 7,
      why: 'rule',
      rule: 1,
      version: 2,
      gated: ['next', 3],
      shadow: { version: 2, share: 0.1 },
      hedge: true,
      max_body_bytes: 1_000,
      replicas: [
        { node_id: two.id, address: two.replica.address, outstanding: 0, ejected: false, external: false },
      ],
      quotas: [{ name: 'for-all' }, { name: 'for-lab' }],
    });
    expect(await answeredBy({ 'x-beta': 'yes' }, { groups: ['web', 'ml'] })).toBe('2');
  });

  it('shows how the share of what is not ready falls to the others', async () => {
    const { body } = await explained('endpoint=iris&header=x-beta:yes');
    expect(body).toMatchObject({
      why: 'split',
      version: null,
      rule: null,
      split: [
        { version: 1, weight: 3, share: 0.75 },
        { version: 2, weight: 1, share: 0.25 },
      ],
      replicas: [{ version: 1 }, { version: 2 }],
      quotas: [{ name: 'for-all' }],
    });
  });

  it('foretells the version of a sticky caller', async () => {
    for (const user of ['ann', 'bob', 'cem', 'dag', 'eva', 'fox']) {
      const { body } = await explained(`endpoint=iris&claim=user:${user}`);
      expect(body).toMatchObject({
        why: 'sticky',
        version: expect.any(Number),
        sticky_bucket: expect.any(Number),
      });
      expect(body).toHaveProperty('version', Number(await answeredBy({}, { user })));
    }
  });

  it('says what cannot be resolved, and refuses what it does not understand', async () => {
    expect(await explained('endpoint=iris&pin=next')).toMatchObject({
      status: 200,
      body: { why: 'NO_READY_REPLICA', version: null, replicas: [] },
    });
    expect(await explained('endpoint=rose')).toMatchObject({
      status: 404,
      body: { code: 'ENDPOINT_NOT_FOUND' },
    });
    expect(await explained('model=iris')).toMatchObject({ status: 400, body: { code: 'INVALID_REQUEST' } });
    expect(await explained('endpoint=iris', 'infer')).toMatchObject({ status: 403 });
  });
});
