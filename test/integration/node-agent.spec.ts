/** The node and its registry: joining, leases, assignments, artifacts, configs, outages, leaving. The registry is an in-memory one that misbehaves on demand. */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '#platform/program';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { identityModel, onnxModel } from '../support/onnx-model.js';
import { NodeRegistry, joinToken } from '../support/node-registry.js';
import { NodeUnderTest } from '../support/node.js';
import type { JsonTensor } from '../support/node.js';
import { busyModel, size } from '../support/runners.js';

let node: NodeUnderTest;
const model = identityModel('FP32');
const one: JsonTensor[] = [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }];

beforeEach(async () => {
  node = await NodeUnderTest.start({
    SLUICE_NODE_LABELS: 'rack=a, disk=ssd',
    SLUICE_NODE_CORES: '2',
    SLUICE_NODE_DRAIN_GRACE_MS: '400',
  });
});
afterEach(() => node.close());

describe('joining', () => {
  it('says who it is, and renews its lease', async () => {
    const { registry } = node;
    expect(registry.registrations).toMatchObject([
      {
        name: 'node-under-test',
        address: node.url,
        labels: { rack: 'a', disk: 'ssd' },
        capacity: { cores: 2 },
      },
    ]);
    await registry.when(() => (registry.reports.length >= 3 ? true : undefined));
    expect(registry.reports[0]).toEqual({ draining: false, replicas: [] });
  });

  it('registers again when its lease is lost, and keeps what it serves', async () => {
    const { registry } = node;
    const { assignment } = await node.load({ model: 'm', files: { 'model.onnx': model } });
    registry.reports = [];
    registry.forgetNode();
    expect((await node.infer('m', one)).status).toBe(200);
    await registry.when(() => (registry.registrations.length === 2 ? true : undefined));
    await registry.whenReported(assignment, ({ state }) => state === 'READY');
    expect(registry.artifactRequests).toHaveLength(1);
  });
});

describe('a registry that goes away', () => {
  it('does not disturb what serves, and is found again', async () => {
    const { registry } = node;
    await node.load({ model: 'm', files: { 'model.onnx': model } });
    await registry.stop();
    for (let i = 0; i < 5; i += 1) expect((await node.infer('m', one)).status).toBe(200);
    registry.reports = [];
    await registry.start();
    const added = registry.assign({ model: 'n', files: { 'model.onnx': model } });
    await registry.whenReported(added, ({ state }) => state === 'READY');
    expect((await node.infer('n', one)).status).toBe(200);
  });

  it('may come back with new keys: they are fetched when a token needs them', async () => {
    await node.load({ model: 'm', files: { 'model.onnx': model } });
    expect((await node.infer('m', one)).status).toBe(200);
    await node.registry.rotateKey();
    await node.renewToken();
    let status = 401;
    const start = performance.now();
    while (status === 401 && performance.now() - start < 10_000) {
      status = (await node.infer('m', one)).status;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    expect(status).toBe(200);
  });
});

describe('assignments', () => {
  it('go through every state with a signature and a measured profile at the end', async () => {
    const { report, assignment } = await node.load({ model: 'm', files: { 'model.onnx': model } });
    expect(report.signature).toEqual({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
    });
    expect(report.profile?.load_ms).toBeGreaterThan(0);
    expect(report.profile?.latency_ms).toBeGreaterThan(0);
    expect(report.profile?.onnxruntime_version).toMatch(/^\d/);
    const states = node.registry.reports.flatMap(({ replicas }) =>
      replicas.filter((one) => one.version_id === assignment.version_id).map(({ state }) => state),
    );
    expect(states.at(-1)).toBe('READY');
    expect(new Set(states).size).toBeGreaterThan(1);
  });

  it('that end drain the version and then unload it', async () => {
    const { registry } = node;
    const { assignment } = await node.load({ model: 'm', files: { 'model.onnx': model } });
    registry.unassign(assignment);
    await registry.whenReported(assignment, ({ state }) => state === 'DRAINING');
    expect((await node.infer('m/versions/1', one)).status).toBe(200);
    await registry.when(() => (registry.reports.at(-1)?.replicas.length === 0 ? true : undefined));
    expect(await node.infer('m/versions/1', one)).toMatchObject({ status: 404, code: 'MODEL_NOT_FOUND' });
  });

  it('with a new config are loaded beside the old, without a failed request', async () => {
    const { registry } = node;
    const { assignment } = await node.load({ model: 'm', files: { 'model.onnx': model } });
    let failed = 0;
    let sent = 0;
    const stop = new AbortController();
    const traffic = (async () => {
      while (!stop.signal.aborted) {
        sent += 1;
        if ((await node.infer('m/versions/1', one)).status !== 200) failed += 1;
      }
    })();
    const changed = registry.reconfigure(assignment, { instances: 2 });
    await registry.whenReported(changed, ({ state }) => state === 'READY');
    await registry.when(() => (registry.reports.at(-1)?.replicas.length === 1 ? true : undefined));
    stop.abort();
    await traffic;
    expect(sent).toBeGreaterThan(5);
    expect(failed).toBe(0);
  });

  it('with external data find it beside the model, in its own folder', async () => {
    const weights = new Float32Array(1_024).fill(0.5);
    const withData = onnxModel({
      inputs: [{ name: 'x', type: 'FP32', shape: [1_024] }],
      outputs: [{ name: 'y', type: 'FP32', shape: [1_024] }],
      ops: [{ type: 'Mul', inputs: ['x', 'w'], outputs: ['y'] }],
      externals: [{ name: 'w', type: 'FP32', shape: [1_024], location: 'data/weights.bin', length: 4_096 }],
    });
    await node.load({
      model: 'm',
      files: { 'model.onnx': withData, 'data/weights.bin': new Uint8Array(weights.buffer) },
    });
    const data = Array.from({ length: 1_024 }, (_, index) => index);
    const { body } = await node.infer('m', [{ name: 'x', datatype: 'FP32', shape: [1_024], data }]);
    expect((body['outputs'] as { data: number[] }[])[0]?.data).toEqual(data.map((value) => value / 2));
  });
});

describe('artifacts', () => {
  it('are continued after a break, shared, and found again after a restart', async () => {
    const { registry } = node;
    registry.breaks = { afterBytes: 60_000, times: 2 };
    const ballast = randomBytes(300_000);
    const files = { 'model.onnx': model, 'ballast.bin': ballast };
    const first = await node.load({ model: 'm', files });
    const second = await node.load({ model: 'n', files });
    const ranges = registry.artifactRequests.map(({ range }) => range !== undefined);
    expect(ranges).toContain(true);
    const requests = registry.artifactRequests.length;
    registry.reports = [];
    await node.restart();
    for (const { assignment } of [first, second])
      await registry.whenReported(assignment, ({ state }) => state === 'READY');
    expect(registry.artifactRequests).toHaveLength(requests);
  });

  it('with other bytes than their digest are never loaded', async () => {
    const { registry } = node;
    const assignment = registry.assign({ model: 'm', files: { 'model.onnx': model } });
    const good = registry.artifacts.get(assignment.files[0]?.sha256 ?? '') ?? new Uint8Array();
    registry.artifacts.set(assignment.files[0]?.sha256 ?? '', new Uint8Array(good.length));
    const report = await registry.whenReported(
      assignment,
      ({ reason }) => reason?.includes('digest') === true,
    );
    expect(report.state).toBe('FETCHING');
    registry.artifacts.set(assignment.files[0]?.sha256 ?? '', good);
    await registry.whenReported(assignment, ({ state }) => state === 'READY');
  });
});

describe('leaving', () => {
  it('does not wait for connections that have their answer, or never asked for one', async () => {
    await node.load({ model: 'busy', files: { 'model.onnx': busyModel } });
    const { hostname, port } = new URL(node.url);
    const silent = connect(Number(port), hostname);
    await once(silent, 'connect');
    // It is under way from before the end until after the node has left traffic, on a connection that its caller would keep.
    const answer = node.infer('busy', size(2_500));
    await vi.waitUntil(() => node.inFlight === 1, { timeout: 10_000, interval: 2 });
    const ended = node.closeNode();
    expect((await answer).status).toBe(200);
    await ended;
    silent.destroy();
  });
});

describe('the program', () => {
  it('leaves traffic on SIGTERM, finishes what it has, and leaves no process behind', async () => {
    const registry = new NodeRegistry();
    await registry.start();
    const folder = await mkdtemp(join(tmpdir(), 'sluice-node-main-'));
    const child = spawn(process.execPath, [join(packageRoot, 'dist/apps/node/src/main.js')], {
      env: { PATH: process.env['PATH'], SLUICE_REGISTRY_URL: registry.url, SLUICE_NODE_JOIN_TOKEN: joinToken, SLUICE_NODE_PORT: '0', SLUICE_NODE_DATA_DIR: folder }, // prettier-ignore
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const [ready] = (await once(child, 'message')) as [{ type: string; url: string }];
    expect(ready).toMatchObject({ type: 'ready', url: registry.registrations[0]?.address });
    const assignment = registry.assign({ model: 'm', files: { 'model.onnx': model } });
    await registry.whenReported(assignment, ({ state }) => state === 'READY');
    const headers = { authorization: `Bearer ${await registry.token('gateway')}` };
    const call = () =>
      fetch(`${ready.url}/v2/models/m/infer`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ inputs: one }),
      });
    expect((await call()).status).toBe(200);
    child.kill('SIGTERM');
    await registry.when(() => (registry.reports.at(-1)?.draining ? true : undefined));
    const late = await call();
    expect(late.status).toBe(200);
    expect(late.headers.get('connection')).toBe('close');
    registry.unassign(assignment);
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
    expect(registry.reports.at(-1)).toEqual({ draining: true, replicas: [] });
    expect(await readdir(folder)).toEqual(['cache']);
    await registry.stop();
    await rm(folder, { recursive: true });
  });

  it('fails no request that was sent before the snapshot left it out', async () => {
    const registry = new NodeRegistry();
    await registry.start();
    const folder = await mkdtemp(join(tmpdir(), 'sluice-node-main-'));
    const child = spawn(process.execPath, [join(packageRoot, 'dist/apps/node/src/main.js')], {
      env: { PATH: process.env['PATH'], SLUICE_REGISTRY_URL: registry.url, SLUICE_NODE_JOIN_TOKEN: joinToken, SLUICE_NODE_PORT: '0', SLUICE_NODE_DATA_DIR: folder }, // prettier-ignore
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const [ready] = (await once(child, 'message')) as [{ url: string }];
    const assignment = registry.assign({ model: 'm', files: { 'model.onnx': busyModel } });
    await registry.whenReported(assignment, ({ state }) => state === 'READY');
    const headers = { authorization: `Bearer ${await registry.token('gateway')}` };
    const statuses = new Map<number | string, number>();
    const call = async (caller: number) => {
      // One caller sends requests that take long: one of them is inside when the node is told to end.
      const body = JSON.stringify({ inputs: size(caller === 0 ? 2_000 : 32) });
      const outcome = await fetch(`${ready.url}/v2/models/m/infer`, { method: 'POST', headers, body }).then(
        async (response) => {
          await response.arrayBuffer();
          return response.status;
        },
        String,
      );
      statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1);
    };
    const callers = [0, 1, 2, 3, 4, 5];
    await Promise.all(callers.map(call));
    let isRouted = true;
    const calling = callers.map(async (caller) => {
      while (isRouted) await call(caller);
    });
    child.kill('SIGTERM');
    await registry.when(() => (registry.reports.at(-1)?.draining ? true : undefined));
    // The registry publishes; a gateway goes on sending until it has heard of it.
    registry.unassign(assignment);
    setTimeout(() => (isRouted = false), 150);
    const [code] = (await once(child, 'exit')) as [number];
    await Promise.all(calling);
    expect(code).toBe(0);
    expect([...statuses.keys()]).toEqual([200]);
    expect(statuses.get(200)).toBeGreaterThan(6);
    await registry.stop();
    await rm(folder, { recursive: true });
  });

  it('says in one line what is wrong with its settings', async () => {
    const child = spawn(process.execPath, [join(packageRoot, 'dist/apps/node/src/main.js')], {
      env: { PATH: process.env['PATH'], SLUICE_NODE_JOIN_TOKEN: 'short' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(1);
    expect(text).toMatch(/SLUICE_NODE_JOIN_TOKEN/);
  });
});
