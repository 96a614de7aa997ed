/**
 * The whole platform with TLS between gateway and nodes: a private CA, and nodes that let in only who shows a certificate of it.
 * Two of its nodes hold a released version and its shadow.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '#platform/program';
import { Client } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { irisRequest } from '../support/iris.js';
import { eventually, startPlatform } from '../support/platform.js';
import type { Caller, Platform } from '../support/platform.js';

const pem = (name: string): string => join(packageRoot, `test/fixtures/node-tls/${name}.pem`);
let platform: Platform;
let caller: Caller;
let admin: Caller;

beforeAll(async () => {
  platform = await startPlatform({
    nodes: 2,
    env: {
      SLUICE_NODE_TLS_CERT: pem('node'),
      SLUICE_NODE_TLS_KEY: pem('node-key'),
      SLUICE_NODE_TLS_CLIENT_CA: pem('ca'),
      SLUICE_GATEWAY_NODE_CA: pem('ca'),
      SLUICE_GATEWAY_NODE_CERT: pem('gateway'),
      SLUICE_GATEWAY_NODE_KEY: pem('gateway-key'),
    },
  });
  caller = await platform.createCaller(['infer']);
  admin = await platform.createCaller(['admin']);
});
afterAll(async () => platform.stop());

/** The gateway tells its admin address in its log. */
async function metricsOfGateway(): Promise<string> {
  const log = await readFile(join(platform.dataDir, 'logs/gateway.log'), 'utf8');
  const adminUrl = /"admin_url":"([^"]+)"/.exec(log)?.[1] ?? expect.fail('no admin address in the log');
  const response = await fetch(`${adminUrl}/metrics`, {
    headers: { authorization: `Bearer ${await admin.token()}` },
  });
  return response.text();
}

const valueOf = (metrics: string, row: string): number =>
  Number(
    metrics
      .split('\n')
      .find((line) => line.startsWith(row))
      ?.slice(row.length) ?? 0,
  );

it('predictions go over it to both nodes, and nobody else is let in', async () => {
  const { items: nodes } = await platform.admin.nodes.list();
  expect(nodes.map(({ address }) => address)).toEqual([
    expect.stringMatching(/^https:/),
    expect.stringMatching(/^https:/),
  ]);
  const seen = new Set<string | null>();
  await eventually(async () => {
    // One by one, all would go to the node that was faster first, for as long as that is remembered.
    const atOnce = Array.from({ length: 8 }, () => caller.infer('iris', irisRequest));
    for (const response of await Promise.all(atOnce)) {
      expect(response.status).toBe(200);
      seen.add(response.headers.get('x-sluice-node'));
    }
    return seen.size === 2 || undefined;
  }, 'both nodes answer');
  const ca = await readFile(pem('ca'), 'utf8');
  const [cert, key] = await Promise.all([readFile(pem('stranger')), readFile(pem('stranger-key'))]);
  for (const { address } of nodes)
    for (const connect of [{}, { ca }, { ca, cert, key }]) {
      const client = new Client(address, { connect });
      await expect(client.request({ path: '/v2/health/live', method: 'GET' })).rejects.toThrow();
      await client.destroy();
    }
});

it('a shadow gets a copy of each request at these nodes, and its answers are compared in every protocol', async () => {
  const params = { endpoint: 'iris' };
  const { revision } = await platform.admin.endpoints.read({ params });
  await platform.admin.endpoints.setTraffic({
    params,
    headers: { 'if-match': `"${revision}"` },
    body: { split: [{ version: 1, weight: 1 }], shadow: { version: 2, share: 1 } },
  });
  const labels = 'endpoint="iris",version="2"';
  const answered = `sluice_gateway_shadow_requests_total{${labels},outcome="answered"} `;
  await eventually(async () => {
    await (await caller.infer('iris', irisRequest)).arrayBuffer();
    return valueOf(await metricsOfGateway(), answered) > 0 || undefined;
  }, 'the shadow is in force');
  const before = valueOf(await metricsOfGateway(), answered);
  for (let i = 0; i < 10; i++) {
    const response = await caller.infer('iris', irisRequest, {
      'accept-encoding': i % 2 ? 'gzip' : 'identity',
    });
    expect([response.status, response.headers.get('x-sluice-version')]).toEqual([200, '1']);
    await response.arrayBuffer();
  }
  const predicted = await fetch(`${platform.gatewayUrl}/v1/models/iris:predict`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await caller.token()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ instances: [[6.2, 2.8, 4.8, 1.8]] }),
  });
  expect(await predicted.json()).toHaveProperty('predictions');
  const metrics = await eventually(async () => {
    const text = await metricsOfGateway();
    return valueOf(text, answered) >= before + 11 ? text : undefined;
  }, 'eleven more copies are answered');
  const compared = ['same_top_class', 'other_top_class'].map((agreement) =>
    valueOf(metrics, `sluice_gateway_shadow_compared_total{${labels},agreement="${agreement}"} `),
  );
  expect(compared.reduce((sum, count) => sum + count)).toBe(valueOf(metrics, answered));
  const difference = valueOf(metrics, `sluice_gateway_shadow_max_abs_difference{${labels}} `);
  expect(difference).toBeGreaterThan(0);
  expect(difference).toBeLessThan(1);
});
