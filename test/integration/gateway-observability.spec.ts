/** What operators see of a gateway's traffic: metrics by client and stage, and the access log. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import {
  TestNode,
  TestRegistry,
  cleanUp,
  makeFolder,
  makeSnapshot,
  makeToken,
  startTestGateway,
  until,
} from './gateway-harness.js';

let registry: TestRegistry;
let node: TestNode;
let file: string;

const traceId = '0af7651916cd43dd8448eb211c80319c';
const Line = z.looseObject({
  request_id: z.string(),
  duration_ms: z.number(),
  node_ms: z.number().optional(),
});

beforeEach(async () => {
  registry = await TestRegistry.start();
  node = await TestNode.start('one');
  file = join(await makeFolder(), 'access.log');
});
afterEach(cleanUp);

async function start(share: number): Promise<Gateway> {
  const gateway = await startTestGateway(registry.url, {
    SLUICE_GATEWAY_ACCESS_LOG: file,
    SLUICE_GATEWAY_ACCESS_LOG_SHARE: share,
  });
  registry.publish(makeSnapshot({ keys: registry.keys, versions: { 1: [node.replica] } }));
  await gateway.ready;
  return gateway;
}

async function infer(
  gateway: Gateway,
  client: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const token = await makeToken(registry.keys, { client });
  const response = await fetch(`${gateway.url}/v2/models/iris/infer`, {
    method: 'POST',
    body: '{}',
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  await response.arrayBuffer();
  await until(() => gateway.core.inFlight === 0, 'counted');
  return response.status;
}

async function linesAfterClose(gateway: Gateway): Promise<z.infer<typeof Line>[]> {
  await gateway.close();
  const text = await readFile(file, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Line.parse(JSON.parse(line)));
}

it('one line tells who asked, what answered and how long each part took', async () => {
  const gateway = await start(1);
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
  expect(await infer(gateway, 'shop', { 'x-request-id': 'mine', traceparent })).toBe(200);
  const [line, ...others] = await linesAfterClose(gateway);
  expect(others).toEqual([]);
  expect(line).toMatchObject({
    program: 'gateway',
    msg: 'request',
    request_id: 'mine',
    trace_id: traceId,
    client: 'shop',
    endpoint: 'iris',
    operation: 'infer',
    version: 1,
    node: node.id,
    status: 200,
    code: 'OK',
  });
  expect(line?.duration_ms).toBeGreaterThanOrEqual(line?.node_ms ?? Infinity);
});

it('a share too small for any request still shows the failures of gateway and node', async () => {
  const gateway = await start(Number.MIN_VALUE);
  expect(await infer(gateway, 'shop')).toBe(200);
  node.respond = (_req, res) => res.writeHead(500).end();
  expect(await infer(gateway, 'shop', { 'x-request-id': 'failed' })).toBe(500);
  node.respond = (_req, res) => res.writeHead(400).end();
  expect(await infer(gateway, 'shop')).toBe(400);
  expect(await linesAfterClose(gateway)).toMatchObject([
    { request_id: 'failed', code: 'UPSTREAM_5XX', status: 500 },
  ]);
});

it('metrics split requests by client, and time by where it went', async () => {
  const gateway = await start(0);
  await infer(gateway, 'shop');
  await infer(gateway, 'shop');
  node.respond = (_req, res) => res.writeHead(400).end();
  await infer(gateway, 'lab');
  const admin = await makeToken(registry.keys, { scope: 'admin' });
  const response = await fetch(`${gateway.adminUrl}/metrics`, {
    headers: { authorization: `Bearer ${admin}` },
  });
  const metrics = await response.text();
  for (const row of [
    'sluice_gateway_client_requests_total{client="shop",code="OK"} 2',
    'sluice_gateway_client_requests_total{client="lab",code="UPSTREAM_4XX"} 1',
    'sluice_gateway_before_node_seconds_count{endpoint="iris"} 3',
    'sluice_gateway_node_seconds_count{endpoint="iris"} 3',
    'sluice_gateway_access_log_dropped_total 0',
  ])
    expect(metrics).toContain(row);
  expect(metrics).toMatch(/^nodejs_eventloop_lag_seconds /m);
});
