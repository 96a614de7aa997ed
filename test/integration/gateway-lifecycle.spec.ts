/** What a gateway keeps through: new snapshots under load, a registry that is away, its own restart, its own end. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import {
  TestNode,
  TestRegistry,
  cleanUp,
  makeFolder,
  makeSnapshot,
  makeToken,
  openSocket,
  publish,
  startTestGateway,
  until,
} from './gateway-harness.js';
import type { SnapshotWishes } from './gateway-harness.js';

let registry: TestRegistry;
let node: TestNode;
let folder: string;
let bearer: string;

beforeEach(async () => {
  registry = await TestRegistry.start();
  node = await TestNode.start('one');
  folder = await makeFolder();
  bearer = await makeToken(registry.keys);
});
afterEach(cleanUp);

const snapshot = (wishes: Partial<SnapshotWishes> = {}) =>
  makeSnapshot({ keys: registry.keys, versions: { 1: [node.replica] }, ...wishes });
const start = (): Promise<Gateway> => startTestGateway(registry.url, { SLUICE_GATEWAY_DATA_DIR: folder });
const infer = (gateway: Gateway, body = '{}'): Promise<Response> =>
  fetch(`${gateway.url}/v2/models/iris/infer`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${bearer}` },
  });
const read = (url: string, path: string, token?: string): Promise<Response> =>
  fetch(url + path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });

describe('snapshots', () => {
  it('are swapped under load without a failed request', async () => {
    const others = [await TestNode.start('two'), await TestNode.start('three')];
    const gateway = await start();
    registry.publish(snapshot());
    await gateway.ready;
    const statuses = new Map<number, number>();
    let isOver = false;
    const caller = async (): Promise<void> => {
      while (!isOver) {
        const response = await infer(gateway);
        await response.arrayBuffer();
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      }
    };
    const callers = Array.from({ length: 16 }, caller);
    for (let revision = 2; revision < 40; revision++) {
      const replicas = [node, ...others].filter((_, at) => (revision >> at) % 2 === 0 || at === revision % 3);
      const split = [
        { version: 1, weight: revision % 5 },
        { version: 2, weight: 1 },
      ];
      const versions = {
        1: replicas.map((one) => one.replica),
        2: [others[revision % 2]?.replica ?? node.replica],
      };
      await publish(registry, gateway, snapshot({ revision, versions, traffic: { split } }));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    isOver = true;
    await Promise.all(callers);
    expect([...statuses.keys()]).toEqual([200]);
    expect(statuses.get(200)).toBeGreaterThan(200);
  });

  it('come again after the stream breaks, and a wrong one changes nothing', async () => {
    const gateway = await start();
    registry.publish(snapshot());
    await gateway.ready;
    for (const stream of registry.streams) stream.write('event: snapshot\ndata: {"revision":"x"}\n\n');
    await until(() => registry.streams.size === 0, 'stream closed');
    expect((await infer(gateway)).status).toBe(200);
    await until(() => registry.streams.size === 1, 'stream opened again');
    await publish(registry, gateway, snapshot({ revision: 2 }));
  });
});

describe('a restart', () => {
  it('serves from the saved snapshot and credential while the registry is away', async () => {
    const first = await start();
    registry.publish(snapshot());
    await first.ready;
    expect((await infer(first)).status).toBe(200);
    await first.close();
    await registry.stop();

    const started = Date.now();
    const second = await start();
    await second.ready;
    expect((await read(second.url, '/v2/health/ready')).status).toBe(200);
    await until(() => second.core.credential !== '', 'credential read');
    expect((await infer(second)).status).toBe(200);
    expect(Date.now() - started).toBeLessThan(2_000);
    expect(node.seen.at(-1)?.headers.authorization).toBe('Bearer gateway-credential');
  });

  it('does not trust a damaged file', async () => {
    const first = await start();
    registry.publish(snapshot());
    await first.ready;
    await first.close();
    const path = join(folder, 'snapshot.json');
    const text = await readFile(path, 'utf8');
    expect(text).toContain('"revision":1');
    await writeFile(path, text.replace('"revision":1', '"revision":2'));
    await registry.stop();
    const second = await start();
    const ready = await read(second.url, '/v2/health/ready');
    expect([ready.status, ready.headers.get('x-sluice-code')]).toEqual([503, 'NOT_READY']);
    expect((await infer(second)).status).toBe(503);
    expect((await read(second.url, '/v2/health/live')).status).toBe(200);
  });

  it('gives back what it holds of quotas, and takes it again', async () => {
    const quotas = [
      { id: '0198f000-0000-7000-8000-000000000009', name: 'perday', window: 'day', limit: 5 } as const,
    ];
    registry.publish(snapshot({ quotas }));
    const statuses: number[] = [];
    for (let run = 0; run < 3; run++) {
      const gateway = await start();
      await gateway.ready;
      for (let i = 0; i < 3; i++) statuses.push((await infer(gateway)).status);
      await gateway.close();
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429, 429, 429]);
  });
});

describe('the end', () => {
  it('finishes what is under way, refuses what is new, and leaves nothing open', async () => {
    let answer: () => void = () => undefined;
    node.respond = (_req, res) => (answer = () => void res.end('done'));
    const gateway = await start();
    registry.publish(snapshot());
    await gateway.ready;
    const idle = await openSocket(gateway.url);
    const idleClosed = new Promise((resolve) => idle.on('close', resolve));
    const pending = infer(gateway);
    await until(() => node.seen.length === 1, 'request at the node');
    const closed = gateway.close();
    await until(() => gateway.core.draining, 'draining');
    await expect(infer(gateway)).rejects.toThrow();
    answer();
    const response = await pending;
    expect(await response.text()).toBe('done');
    await Promise.all([closed, idleClosed]);
  });
});

describe('the admin server', () => {
  it('shows metrics and the snapshot to administrators, health to all, and drains', async () => {
    const gateway = await start();
    const url = gateway.adminUrl;
    expect((await read(url, '/health/live')).status).toBe(200);
    expect((await read(url, '/health/ready')).status).toBe(503);
    registry.publish(
      snapshot({
        versions: { 1: [node.replica], 2: [] },
        traffic: {
          split: [
            { version: 1, weight: 1 },
            { version: 2, weight: 1 },
          ],
        },
      }),
    );
    await gateway.ready;
    expect((await read(url, '/health/ready')).status).toBe(200);
    await (await infer(gateway)).arrayBuffer();
    for (const path of ['/metrics', '/snapshot']) {
      const none = await read(url, path);
      expect([none.status, none.headers.get('content-type')]).toEqual([
        401,
        'application/problem+json; charset=utf-8',
      ]);
      expect((await read(url, path, bearer)).status).toBe(403);
    }
    const admin = await makeToken(registry.keys, { scope: 'admin' });
    expect(await (await read(url, '/snapshot', admin)).json()).toMatchObject({
      snapshot: { revision: 1 },
      gated: { iris: [2] },
      ejected: [],
    });
    await until(() => gateway.core.inFlight === 0, 'counted');
    const metrics = await (await read(url, '/metrics', admin)).text();
    expect(metrics).toContain(
      'sluice_gateway_requests_total{endpoint="iris",version="1",team="",code="OK"} 1',
    );
    expect(metrics).toContain('sluice_gateway_request_duration_seconds_count{endpoint="iris"} 1');
    expect(metrics).toContain('sluice_gateway_request_duration_seconds_bucket{endpoint="iris",le="+Inf"} 1');
    expect(metrics).toContain('sluice_gateway_snapshot_revision 1');
    const drained = await fetch(`${url}/drain`, {
      method: 'POST',
      headers: { authorization: `Bearer ${admin}` },
    });
    expect(drained.status).toBe(202);
    const ready = await read(gateway.url, '/v2/health/ready');
    expect([ready.status, ready.headers.get('x-sluice-code')]).toEqual([503, 'DRAINING']);
    const last = await infer(gateway);
    expect([last.status, last.headers.get('connection')]).toEqual([200, 'close']);
  });
});
