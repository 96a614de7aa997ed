/** Shadow traffic and hedging: second requests that callers must never feel. */
import type { ServerResponse } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sluiceHeaders } from '#contracts/oip';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import type { ShadowResult } from '../../apps/gateway/src/data-plane/shadow.js';
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

const outputs = (...data: number[]): string =>
  JSON.stringify({ outputs: [{ name: 'p', datatype: 'FP32', shape: [1, data.length], data }] });

const answering = (node: TestNode, body: string, status = 200): void => {
  node.respond = (_req, res) =>
    res
      .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
      .end(body);
};

interface Stage {
  readonly gateway: Gateway;
  readonly results: ShadowResult[];
}

/** Version 1 serves, version 2 is its shadow. */
async function stage(
  serving: readonly TestNode[],
  shadow: TestNode,
  traffic: NonNullable<SnapshotWishes['traffic']> = {
    split: [{ version: 1, weight: 1 }],
    shadow: { version: 2, share: 1 },
  },
  settings: Parameters<typeof startTestGateway>[1] = {},
): Promise<Stage> {
  const gateway = await startTestGateway(registry.url, settings);
  const versions = { 1: serving.map(({ replica }) => replica), 2: [shadow.replica] };
  await publish(registry, gateway, makeSnapshot({ keys: registry.keys, versions, traffic }));
  const results: ShadowResult[] = [];
  const toMetrics = gateway.core.shadows.onResult;
  gateway.core.shadows.onResult = (result) => {
    results.push(result);
    toMetrics(result);
  };
  return { gateway, results };
}

const infer = (gateway: Gateway, init: RequestInit = {}, path = ''): Promise<Response> =>
  fetch(`${gateway.url}/v2/models/iris${path}/infer`, {
    method: 'POST',
    body: '{"inputs":[]}',
    ...init,
    headers: { authorization, 'content-type': 'application/json' },
  });

async function metricsOf(gateway: Gateway): Promise<string> {
  const admin = await makeToken(registry.keys, { scope: 'admin' });
  const response = await fetch(`${gateway.adminUrl}/metrics`, {
    headers: { authorization: `Bearer ${admin}` },
  });
  return response.text();
}

describe('a shadow', () => {
  it('gets the same body after the caller was answered, marked, and is compared', async () => {
    const [serving, shadow] = [await TestNode.start('serving'), await TestNode.start('shadow')];
    answering(serving, outputs(0.7, 0.3));
    answering(shadow, outputs(0.6, 0.4));
    const { gateway, results } = await stage([serving], shadow);
    const body = '{"inputs":[{"name":"x"}]}';
    const response = await infer(gateway, { body });
    expect(response.headers.get('x-sluice-version')).toBe('1');
    expect(await response.text()).toBe(outputs(0.7, 0.3));
    await until(() => results.length === 1, 'compared');
    const [copy] = shadow.seen;
    expect(copy).toMatchObject({ method: 'POST', url: '/v2/models/iris/versions/2/infer' });
    expect(copy?.body.toString()).toBe(body);
    expect(copy?.headers[sluiceHeaders.shadow]).toBe('1');
    expect(copy?.headers['content-type']).toBe('application/json');
    expect(serving.seen[0]?.headers[sluiceHeaders.shadow]).toBeUndefined();
    answering(shadow, outputs(0.1, 0.9));
    await (await infer(gateway)).arrayBuffer();
    await until(() => results.length === 2, 'compared again');
    const metrics = await metricsOf(gateway);
    const labels = 'endpoint="iris",version="2"';
    for (const line of [
      `sluice_gateway_shadow_requests_total{${labels},outcome="answered"} 2`,
      `sluice_gateway_shadow_compared_total{${labels},agreement="same_top_class"} 1`,
      `sluice_gateway_shadow_compared_total{${labels},agreement="other_top_class"} 1`,
      `sluice_gateway_shadow_abs_difference_count{${labels}} 2`,
    ])
      expect(metrics).toContain(line);
    expect(metrics).toMatch(/shadow_max_abs_difference\{endpoint="iris",version="2"\} 0\.6/);
  });

  it('is compared when the caller gets it compressed, and in the words of TensorFlow Serving', async () => {
    const [serving, shadow] = [await TestNode.start('serving'), await TestNode.start('shadow')];
    const { gateway, results } = await stage([serving], shadow);
    answering(shadow, outputs(0.6, 0.4));
    for (const [encoding, pack] of [
      ['gzip', gzipSync],
      ['deflate', deflateSync],
      ['br', brotliCompressSync],
    ] as const) {
      serving.respond = (_req, res) =>
        void res.writeHead(200, { 'content-encoding': encoding }).end(pack(outputs(0.7, 0.3)));
      expect(await (await infer(gateway)).text()).toBe(outputs(0.7, 0.3));
    }
    await until(() => results.length === 3, 'three compared');
    for (const broken of [gzipSync('x'.repeat(9_000_000)), Buffer.from('no gzip')]) {
      serving.respond = (_req, res) => void res.writeHead(200, { 'content-encoding': 'gzip' }).end(broken);
      await (await infer(gateway)).arrayBuffer().catch(() => undefined);
    }
    await until(() => results.length === 5, 'two not compared');
    expect(results.map(({ comparison }) => comparison?.kind)).toEqual(['compared', 'compared', 'compared', undefined, undefined]); // prettier-ignore
    answering(serving, '{"predictions":[[0.7,0.3]]}');
    answering(shadow, '{"predictions":[[0.5,0.5]]}');
    await fetch(`${gateway.url}/v1/models/iris:predict`, { method: 'POST', body: '{"instances":[[1]]}', headers: { authorization } }); // prettier-ignore
    await until(() => results.length === 6, 'compared');
    expect(results[5]?.comparison).toMatchObject({ kind: 'compared', sameTopClass: true });
    expect(shadow.seen.at(-1)?.url).toBe('/v1/models/iris/versions/2:predict');
  });

  it('is compared aside when answers are large, and not when they are larger than allowed', async () => {
    const [serving, shadow] = [await TestNode.start('serving'), await TestNode.start('shadow')];
    const { gateway, results } = await stage([serving], shadow, undefined, {
      SLUICE_GATEWAY_SHADOW_COMPARED_BYTES: 2_000_000,
    });
    const scores = (length: number, top: number): string => {
      const data = Array.from({ length }, (_, i) => (i === top ? 0.75 : 0.125));
      return JSON.stringify({ outputs: [{ name: 'p', datatype: 'FP32', shape: [1, length], data }] });
    };
    const sizes = [
      [100_000, 7, 7],
      [100_000, 7, 99_999],
      [10, 1, 1],
      [400_000, 7, 7],
      [100_000, 3, 3],
    ] as const;
    for (const [i, [length, top, other]] of sizes.entries()) {
      answering(serving, scores(length, top));
      answering(shadow, scores(length, other));
      expect(await (await infer(gateway)).text()).toBe(scores(length, top));
      await until(() => results.length === i + 1, 'compared');
    }
    expect(results.map(({ outcome }) => outcome)).toEqual(sizes.map(() => 'answered'));
    expect(results.map(({ comparison }) => comparison)).toEqual([
      { kind: 'compared', sameTopClass: true, maxAbsDifference: 0 },
      { kind: 'compared', sameTopClass: false, maxAbsDifference: 0.625 },
      { kind: 'compared', sameTopClass: true, maxAbsDifference: 0 },
      undefined,
      { kind: 'compared', sameTopClass: true, maxAbsDifference: 0 },
    ]);
  });

  it('is sampled, and not sent for a request that names its version', async () => {
    const [serving, shadow] = [await TestNode.start('serving'), await TestNode.start('shadow')];
    const { gateway, results } = await stage([serving], shadow, {
      split: [{ version: 1, weight: 1 }],
      shadow: { version: 2, share: 0.25 },
    });
    for (let i = 0; i < 200; i++) await (await infer(gateway)).arrayBuffer();
    for (let i = 0; i < 20; i++) await (await infer(gateway, {}, '/versions/1')).arrayBuffer();
    await until(() => gateway.core.inFlight === 0 && results.length === shadow.seen.length, 'copies ended');
    // Binomial: 200 × 0.25, five standard deviations.
    expect(shadow.seen.length).toBeGreaterThan(19);
    expect(shadow.seen.length).toBeLessThan(81);
  });

  it.each([
    ['that fails', (res: ServerResponse) => void res.writeHead(500).end('{}')],
    ['that breaks off', (res: ServerResponse) => void res.destroy()],
    ['that never answers', () => undefined],
  ])('%s is nothing to the caller, its quota, its usage or the health of replicas', async (what, act) => {
    const [serving, shadow] = [await TestNode.start('serving'), await TestNode.start('shadow')];
    shadow.respond = (_req, res) => act(res);
    const { gateway, results } = await stage([serving], shadow);
    for (let i = 0; i < 10; i++) expect((await infer(gateway)).status).toBe(200);
    await until(() => shadow.seen.length === 10, 'ten copies');
    if (what !== 'that never answers')
      await until(
        () => results.length === 10 && results.every(({ outcome }) => outcome === 'failed'),
        'ten failures',
      );
    await until(() => gateway.core.inFlight === 0, 'counted');
    expect(gateway.core.counters.endpoints.get('iris')?.latency.counts.reduce((a, b) => a + b)).toBe(10);
    expect(gateway.core.usage.drain().rows.reduce((sum, { requests }) => sum + requests, 0)).toBe(10);
    expect([...gateway.core.upstreams.all()].map(({ health }) => health.failuresInARow)).toEqual([0, 0]);
  });

  it('is dropped and counted when there is no room for it; no caller waits', async () => {
    const [serving, shadow] = [await TestNode.start('serving'), await TestNode.start('shadow')];
    const held: ServerResponse[] = [];
    shadow.respond = (_req, res) => void held.push(res);
    const { gateway, results } = await stage([serving], shadow, undefined, {
      SLUICE_GATEWAY_SHADOW_REQUESTS: 3,
    });
    for (let i = 0; i < 8; i++) expect((await infer(gateway)).status).toBe(200);
    await until(() => held.length === 3 && results.length === 5, 'three under way, five dropped');
    expect(results.every(({ outcome }) => outcome === 'dropped')).toBe(true);
    for (const res of held) res.end(outputs(1));
    await until(() => results.length === 8, 'ended');
    await (await infer(gateway)).arrayBuffer();
    await until(() => held.length === 4, 'room again');
  });

  it('holds no more bytes than it may, and no body that streams', async () => {
    const [serving, shadow] = [await TestNode.start('serving'), await TestNode.start('shadow')];
    answering(serving, outputs(1));
    const { gateway, results } = await stage([serving], shadow, undefined, {
      SLUICE_GATEWAY_SHADOW_BYTES: 2_000,
      SLUICE_GATEWAY_HOLD_BYTES: 4_000,
    });
    expect((await infer(gateway, { body: 'x'.repeat(3_000) })).status).toBe(200);
    await until(() => results.length === 1, 'dropped');
    expect(results[0]?.outcome).toBe('dropped');
    expect((await infer(gateway, { body: 'x'.repeat(5_000) })).status).toBe(200);
    expect((await infer(gateway, { body: 'x'.repeat(500) })).status).toBe(200);
    await until(() => results.length === 2, 'copied');
    expect(shadow.seen.map(({ body }) => body.length)).toEqual([500]);
  });
});

describe('hedging', () => {
  const hedged = { split: [{ version: 1, weight: 1 }], hedge: true };

  it('asks a second replica when the first is slow; the first answer counts and the loser is broken off', async () => {
    const [one, two] = [await TestNode.start('one'), await TestNode.start('two')];
    const { gateway } = await stage([one, two], await TestNode.start('unused'), hedged);
    for (let i = 0; i < 60; i++) await (await infer(gateway)).arrayBuffer();
    let slow: ServerResponse | undefined;
    const broken = new Promise<void>((resolve) => {
      for (const node of [one, two])
        node.respond = (_req, res) => {
          if (slow) return void res.end('{"fast":true}');
          slow = res;
          res.on('close', resolve);
        };
    });
    const hedges = gateway.core.counters.hedges;
    const response = await infer(gateway, { body: '{"again":1}' });
    expect([response.status, await response.text()]).toEqual([200, '{"fast":true}']);
    await broken;
    expect(gateway.core.counters.hedges).toBe(hedges + 1);
    const bodies = [one, two].map((node) => node.seen.at(-1)?.body.toString());
    expect(bodies).toEqual(['{"again":1}', '{"again":1}']);
    await until(() => gateway.core.inFlight === 0, 'ended');
    for (const { load } of gateway.core.upstreams.all()) expect(load.outstanding).toBe(0);
  });

  it('waits for the one that is left when the other fails, and keeps within the retry budget', async () => {
    const [one, two] = [await TestNode.start('one'), await TestNode.start('two')];
    const { gateway } = await stage([one, two], await TestNode.start('unused'), hedged);
    for (let i = 0; i < 60; i++) await (await infer(gateway)).arrayBuffer();
    let first: ServerResponse | undefined;
    for (const node of [one, two])
      node.respond = (_req, res) => {
        if (first) {
          res.writeHead(503).end();
          setImmediate(() => first?.end('{"late":true}'));
        } else first = res;
      };
    const response = await infer(gateway);
    expect([response.status, await response.text()]).toEqual([200, '{"late":true}']);

    while (gateway.core.retryBudget.tryRetry(performance.now()));
    for (const node of [one, two]) node.respond = (_req, res) => void setTimeout(() => res.end('{}'), 50);
    const { hedges } = gateway.core.counters;
    for (let i = 0; i < 3; i++) expect((await infer(gateway)).status).toBe(200);
    expect(gateway.core.counters.hedges).toBe(hedges);
  });

  it('is off unless the endpoint wants it', async () => {
    const [one, two] = [await TestNode.start('one'), await TestNode.start('two')];
    const { gateway } = await stage([one, two], await TestNode.start('unused'), {
      split: [{ version: 1, weight: 1 }],
    });
    for (let i = 0; i < 40; i++) await (await infer(gateway)).arrayBuffer();
    for (const node of [one, two]) node.respond = (_req, res) => void setTimeout(() => res.end('{}'), 100);
    expect((await infer(gateway)).status).toBe(200);
    expect(gateway.core.counters.hedges).toBe(0);
  });
});
