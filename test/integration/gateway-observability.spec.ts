/** What operators see of a gateway's traffic: metrics by client and stage, and the access log. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, createReadStream, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { parseTraceparent } from '#platform/trace-context';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import { eventually } from '../support/platform.js';
import {
  TestNode,
  TestRegistry,
  bodyOf,
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
  const token = await makeToken(registry.keys, { client, claims: { team: `team of ${client}` } });
  const response = await fetch(`${gateway.url}/v2/models/iris/infer`, {
    method: 'POST',
    body: '{}',
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  await response.arrayBuffer();
  await until(() => gateway.core.inFlight === 0, 'counted');
  return response.status;
}

async function metricsOf(gateway: Gateway): Promise<string> {
  const admin = await makeToken(registry.keys, { scope: 'admin' });
  const response = await fetch(`${gateway.adminUrl}/metrics`, {
    headers: { authorization: `Bearer ${admin}` },
  });
  return response.text();
}

const valueOf = (metrics: string, row: string): number =>
  Number(
    metrics
      .split('\n')
      .find((line) => line.startsWith(`${row} `))
      ?.slice(row.length),
  );

async function linesAfterClose(gateway: Gateway): Promise<z.infer<typeof Line>[]> {
  await gateway.close();
  const text = await readFile(file, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Line.parse(JSON.parse(line)));
}

/** What the gateway said about the trace to whoever it asked, and what it said to be its request's id. */
const passedOn = (headers: IncomingHttpHeaders) => ({
  trace: parseTraceparent(headers['traceparent']),
  state: headers['tracestate'],
  requestId: headers['x-request-id'],
});

describe('request id and trace', () => {
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

  it.each(['/v2/models/iris/infer', '/api/v1/models'])('go on to whoever answers: %s', async (path) => {
    const atRegistry: IncomingHttpHeaders[] = [];
    registry.other = (req, res) => {
      atRegistry.push(req.headers);
      res.end('{}');
    };
    const gateway = await start(0);
    const token = await makeToken(registry.keys);
    const ask = async (headers: Record<string, string>) => {
      const response = await fetch(gateway.url + path, {
        method: 'POST',
        body: '{}',
        headers: { authorization: `Bearer ${token}`, ...headers },
      });
      await response.arrayBuffer();
      return passedOn(node.seen.at(-1)?.headers ?? atRegistry.at(-1) ?? {});
    };
    const inTrace = await ask({ 'x-request-id': 'mine', traceparent, tracestate: 'a=b' });
    expect(inTrace).toMatchObject({ trace: { traceId, isSampled: true }, state: 'a=b', requestId: 'mine' });
    expect(inTrace.trace?.parentId).not.toBe('b7ad6b7169203331');
    for (const headers of [{}, { traceparent: `${traceparent}!`, tracestate: 'a=b', 'x-request-id': '"' }]) {
      const begun = await ask(headers);
      expect(begun.state).toBeUndefined();
      expect(begun.trace?.isSampled).toBe(false);
      expect(begun.trace?.traceId).not.toBe(traceId);
      expect(begun.requestId).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});

it('one line tells who asked, what answered and how long each part took', async () => {
  node.respond = (_req, res) => res.writeHead(200, { 'x-sluice-timing': '1500,4000' }).end('{"a":1}');
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
    team: 'team of shop',
    request_bytes: 2,
    response_bytes: 7,
    queue_ms: 1.5,
    compute_ms: 4,
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

it('a reader of the access log that is too slow costs lines, which are counted, and no request', async () => {
  execFileSync('mkfifo', [file]);
  // Nobody reads yet, but there is somebody who could.
  const reader = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const gateway = await start(1);
  const requests = 3_000;
  const token = await makeToken(registry.keys);
  // The log's buffer holds less than all these lines have.
  const headers = { authorization: `Bearer ${token}`, 'x-request-id': 'r'.repeat(100) };
  const ask = async (): Promise<number> => {
    const response = await fetch(`${gateway.url}/v2/models/iris/infer`, {
      method: 'POST',
      body: '{}',
      headers,
    });
    await response.arrayBuffer();
    return response.status;
  };
  for (let i = 0; i < requests; i += 20)
    expect(await Promise.all(Array.from({ length: 20 }, ask))).not.toContain(503);
  const { accessLog } = gateway.core;
  expect(accessLog?.dropped).toBeGreaterThan(0);
  const metrics = await metricsOf(gateway);
  expect(metrics).toContain(`sluice_gateway_access_log_dropped_total ${accessLog?.dropped}`);
  const stream = createReadStream(file);
  await once(stream, 'open');
  closeSync(reader);
  const read = bodyOf(stream);
  await gateway.close();
  const lines = String(await read).split('\n').filter((line) => line !== ''); // prettier-ignore
  for (const line of lines) Line.parse(JSON.parse(line));
  expect(lines.length + (accessLog?.dropped ?? 0)).toBe(requests);
});

it('metrics tell of failures, of what is not ready, of leases and of a registry that is away', async () => {
  const gateway = await startTestGateway(registry.url);
  const dead = { node_id: uuidv7(), address: 'http://127.0.0.1:9' };
  const quotas = [{ name: 'perday', window: 'day', limit: 1_000 }] as const;
  const split = [1, 2].map((version) => ({ version, weight: 1 }));
  const versions = { 1: [dead, node.replica], 2: [] };
  registry.publish(makeSnapshot({ keys: registry.keys, versions, traffic: { split }, quotas }));
  await gateway.ready;
  for (let i = 0; i < 30; i++) expect(await infer(gateway, 'shop')).toBe(200);
  const metrics = await metricsOf(gateway);
  for (const row of [
    'sluice_gateway_gated{endpoint="iris",version="2"} 1',
    'sluice_gateway_ejections_total 1',
    'sluice_gateway_quota_ledger_reachable 1',
    'sluice_gateway_snapshot_revision 1',
    'sluice_gateway_hedges_total 0',
  ])
    expect(metrics).toContain(row);
  for (const positive of [
    'retries_total',
    'quota_held{quota="perday"}',
    'quota_lease_calls_total',
    'node_seconds_sum{endpoint="iris"}',
    'before_node_seconds_sum{endpoint="iris"}',
  ])
    expect(valueOf(metrics, `sluice_gateway_${positive}`), positive).toBeGreaterThan(0);
  expect(valueOf(metrics, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);

  registry.hasLedger = false;
  await registry.stop();
  const age = (text: string): number => valueOf(text, 'sluice_gateway_snapshot_age_seconds');
  const before = age(await metricsOf(gateway));
  // A client without a lease: the gateway has to ask for one, and nobody answers.
  expect(await infer(gateway, 'lab')).toBe(503);
  const after = await eventually(async () => {
    const text = await metricsOf(gateway);
    return text.includes('sluice_gateway_quota_ledger_reachable 0') ? text : undefined;
  }, 'the ledger is out of reach');
  expect(age(after)).toBeGreaterThan(before);
});

it('metrics split requests by client and team, and time by where it went', async () => {
  node.respond = (_req, res) => res.writeHead(200, { 'x-sluice-timing': '1500,4000' }).end('{}');
  const gateway = await start(0);
  await infer(gateway, 'shop');
  await infer(gateway, 'shop');
  node.respond = (_req, res) => res.writeHead(400, { 'x-sluice-timing': '1,-2' }).end();
  await infer(gateway, 'lab');
  const metrics = await metricsOf(gateway);
  for (const row of [
    'sluice_gateway_client_requests_total{client="shop",code="OK"} 2',
    'sluice_gateway_client_requests_total{client="lab",code="UPSTREAM_4XX"} 1',
    'sluice_gateway_requests_total{endpoint="iris",version="1",team="team of shop",code="OK"} 2',
    'sluice_gateway_requests_total{endpoint="iris",version="1",team="team of lab",code="UPSTREAM_4XX"} 1',
    'sluice_gateway_queue_seconds_sum{endpoint="iris"} 0.003',
    'sluice_gateway_compute_seconds_sum{endpoint="iris"} 0.008',
    'sluice_gateway_compute_seconds_count{endpoint="iris"} 2',
    'sluice_gateway_retries_total 0',
    'sluice_gateway_ejections_total 0',
    'sluice_gateway_quota_ledger_reachable 1',
    'sluice_gateway_before_node_seconds_count{endpoint="iris"} 3',
    'sluice_gateway_node_seconds_count{endpoint="iris"} 3',
    'sluice_gateway_access_log_dropped_total 0',
  ])
    expect(metrics).toContain(row);
  expect(metrics).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
  expect(metrics).toMatch(/^sluice_gateway_snapshot_age_seconds \d/m);
});
