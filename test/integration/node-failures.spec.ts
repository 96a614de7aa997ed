/** What goes wrong with models and runners: bad files, crashes, stuck runs, deadlines, full queues. The node and its other models go on. */
import { createServer, request } from 'node:http';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { packageRoot } from '#platform/program';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { pino } from 'pino';
import { identityModel, onnxModel } from '../support/onnx-model.js';
import { NodeUnderTest } from '../support/node.js';
import type { Answer, JsonTensor } from '../support/node.js';
import { busyModel, cpuSeconds, runners, size, whenComputing } from '../support/runners.js';

let node: NodeUnderTest;
const logged: Record<string, unknown>[] = [];
const logger = pino({ level: 'warn' }, { write: (line) => void logged.push(JSON.parse(line) as never) });
const iris = readFileSync(join(packageRoot, 'apps/standalone/samples/iris-v1.onnx'));

const one: JsonTensor[] = [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }];

const whenInFlight = (jobs: number): Promise<unknown> =>
  vi.waitUntil(() => node.inFlight === jobs, { timeout: 10_000, interval: 2 });

beforeAll(async () => {
  node = await NodeUnderTest.start({ SLUICE_NODE_HARD_LIMIT_MS: '300' }, logger);
  await node.load({ model: 'other', files: { 'model.onnx': identityModel('FP32') } });
});
afterAll(() => node.close());

describe('a model that cannot be loaded is FAILED for good, with ONNX Runtime’s reason', () => {
  const unknownOp = onnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: [1] }],
    outputs: [{ name: 'y', type: 'FP32', shape: [1] }],
    ops: [{ type: 'NoSuchOperator', inputs: ['x'], outputs: ['y'] }],
  });
  const sequence = onnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: [1] }],
    outputs: [{ name: 'y', type: 'FP32', shape: [1], container: 'sequence' }],
    ops: [{ type: 'SequenceConstruct', inputs: ['x'], outputs: ['y'] }],
  });
  const map = onnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: [], container: 'map' }],
    outputs: [{ name: 'y', type: 'FP32', shape: [1, 'n'] }],
    ops: [{ type: 'CastMap', inputs: ['x'], outputs: ['y'], domain: 'ai.onnx.ml' }],
  });
  it.each([
    ['text', Buffer.from('this is not a model'), /protobuf parsing failed/i],
    ['an empty file', Buffer.alloc(0), /\w/],
    ['a truncated model', iris.subarray(0, iris.length - 200), /protobuf parsing failed/i],
    ['an unknown operator', unknownOp, /NoSuchOperator/],
    ['bfloat16', identityModel('BFLOAT16'), /bfloat16/],
    ['a sequence', sequence, /'y' is not a tensor; sequences, maps and optionals are not supported/],
    ['a map', map, /'x' is not a tensor; sequences, maps and optionals are not supported/],
  ])('%s', async (name, bytes, words) => {
    const assignment = node.registry.assign({ model: `bad ${name}`, files: { 'model.onnx': bytes } });
    const report = await node.registry.whenReported(assignment, ({ state }) => state === 'FAILED');
    expect(report).toMatchObject({ permanent: true, signature: null });
    expect(report.reason).toMatch(words);
    expect(report.reason).not.toContain('/versions/');
    expect(await node.infer(encodeURIComponent(`bad ${name}`), one)).toMatchObject({
      status: 503,
      code: 'NO_READY_REPLICA',
    });
    expect((await node.infer('other', one)).status).toBe(200);
    node.registry.unassign(assignment);
  });
});

describe('a model that does not stand zeros is READY all the same, with the reason', () => {
  it('because the run fails', async () => {
    const gather = onnxModel({
      inputs: [
        { name: 'x', type: 'FP32', shape: [0] },
        { name: 'at', type: 'INT64', shape: ['n'] },
      ],
      outputs: [{ name: 'y', type: 'FP32', shape: ['n'] }],
      ops: [{ type: 'Gather', inputs: ['x', 'at'], outputs: ['y'] }],
    });
    const { report } = await node.load({ model: 'picky', files: { 'model.onnx': gather } });
    expect(report.reason).toMatch(/^warm-up skipped: /);
  });

  it('because the process dies of it', async () => {
    const shape = [4_000, 4_000];
    const steps = Array.from({ length: 20 }, (_, step) => `product${step}`);
    const endless = onnxModel({
      inputs: [{ name: 'x', type: 'FP32', shape }],
      outputs: [{ name: 'product19', type: 'FP32', shape }],
      ops: steps.map((name, step) => ({
        type: 'MatMul',
        inputs: [steps[step - 1] ?? 'x', 'x'],
        outputs: [name],
      })),
    });
    const before = runners();
    const assignment = node.registry.assign({
      model: 'endless',
      files: { 'model.onnx': endless },
      config: { instances: 1 },
    });
    const pid = await vi.waitUntil(() => runners().find((one) => !before.includes(one)), { timeout: 5_000 });
    await vi.waitUntil(() => cpuSeconds(pid) > 1.5, { timeout: 20_000, interval: 20 });
    process.kill(pid, 'SIGKILL');
    const report = await node.registry.whenReported(assignment, ({ state }) => state === 'READY');
    expect(report.reason).toMatch(/^warm-up skipped: .*died while it ran the model on zeros.*SIGKILL/);
    node.registry.unassign(assignment);
  });
});

describe('a runner that dies', () => {
  it('costs its requests a 503, is replaced, and nobody else notices', async () => {
    await node.load({ model: 'mortal', files: { 'model.onnx': busyModel }, config: { instances: 1 } });
    const pid = runners().at(-1) ?? 0;
    expect((await node.infer('mortal', size(4))).status).toBe(200);
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const names = { 'x-request-id': 'the-victim', traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const running = node.infer('mortal', size(3_000), names);
    await whenComputing(pid);
    process.kill(pid, 'SIGKILL');
    const others = Array.from({ length: 20 }, () => node.infer('other', one));
    expect(await running).toMatchObject({ status: 503, code: 'RUNNER_CRASHED' });
    // Sent while no runner lives: waits for the next one.
    expect((await node.infer('mortal', size(4))).status).toBe(200);
    for (const answer of await Promise.all(others)) expect(answer.status).toBe(200);
    expect(logged).toContainEqual(
      expect.objectContaining({ msg: 'a runner died', model: 'mortal', pid, request_ids: ['the-victim'] }),
    );
    expect(logged).toContainEqual(
      expect.objectContaining({ request_id: 'the-victim', trace_id: traceId, code: 'RUNNER_CRASHED' }),
    );
  });

  it('again and again makes the replica FAILED, and it comes back when the runner does', async () => {
    const { assignment } = await node.load({
      model: 'dying',
      files: { 'model.onnx': identityModel('FP32') },
      config: { instances: 1 },
    });
    for (let death = 1; death <= 3; death += 1) {
      const before = runners();
      process.kill(before.at(-1) ?? 0, 'SIGKILL');
      if (death < 3) while ((await node.infer('dying', one)).status !== 200);
    }
    const report = await node.registry.whenReported(assignment, ({ state }) => state === 'FAILED');
    expect(report).toMatchObject({ permanent: false });
    expect(report.reason).toMatch(/keeps dying/);
    await node.registry.whenReported(assignment, ({ state }) => state === 'READY');
    expect((await node.infer('dying', one)).status).toBe(200);
  });
});

describe('deadlines', () => {
  it('are answered in time with 504, and a runner that stays stuck is replaced', async () => {
    await node.load({
      model: 'stuck',
      files: { 'model.onnx': busyModel },
      config: { warmup: false, instances: 1 },
    });
    const [before] = runners().slice(-1);
    const start = performance.now();
    const answer = await node.infer('stuck', size(9_000), { 'x-sluice-deadline-ms': '250' });
    expect(answer).toMatchObject({ status: 504, code: 'DEADLINE_EXCEEDED' });
    expect(performance.now() - start).toBeLessThan(1_000);
    // Sent while the runner is stuck: the next one answers it.
    const large = JSON.stringify({ inputs: size(4) }) + ' '.repeat(3_000_000);
    const waiting = await Promise.all([
      ...Array.from({ length: 3 }, () => node.infer('stuck', size(4))),
      node.send('POST', '/v2/models/stuck/infer', { body: large }),
    ]);
    expect(waiting.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(runners()).not.toContain(before);
  });

  it('in the body are kept in mid-run as well', async () => {
    const config = { warmup: false, instances: 1 };
    await node.load({ model: 'slow', files: { 'model.onnx': busyModel }, config });
    const before = runners().at(-1);
    const start = performance.now();
    const body = JSON.stringify({ parameters: { timeout: 250_000 }, inputs: size(9_000) });
    expect(await node.send('POST', '/v2/models/slow/infer', { body })).toMatchObject({ status: 504 });
    expect(performance.now() - start).toBeLessThan(1_000);
    expect((await node.infer('slow', size(4))).status).toBe(200);
    expect(runners()).not.toContain(before);
  });

  it('of requests that only wait behind a longer one do not cost the runner its life', async () => {
    await node.load({
      model: 'patient',
      files: { 'model.onnx': busyModel },
      config: { warmup: false, instances: 1 },
    });
    const pid = runners().at(-1) ?? 0;
    const long = node.infer('patient', size(3_500), { 'x-sluice-deadline-ms': '60000' });
    await whenComputing(pid);
    const start = performance.now();
    expect(await node.infer('patient', size(4), { 'x-sluice-deadline-ms': '20' })).toMatchObject({
      status: 504,
    });
    expect((await long).status).toBe(200);
    // Longer than the hard limit past the short one's deadline, or the test shows nothing.
    expect(performance.now() - start).toBeGreaterThan(400);
    expect(runners()).toContain(pid);
  });

  it('come from the version’s config when the caller gives none; what waited too long is not run', async () => {
    await node.load({
      model: 'hasty',
      files: { 'model.onnx': busyModel },
      config: { default_timeout_ms: 100, warmup: false, instances: 1 },
    });
    const long = node.infer('hasty', size(2_500), { 'x-sluice-deadline-ms': '20000' });
    await whenComputing(runners().at(-1) ?? 0);
    expect(await node.infer('hasty', size(4))).toMatchObject({ status: 504 });
    expect((await long).status).toBe(200);
    expect((await node.infer('hasty', size(4))).status).toBe(200);
  });

  it('of zero are over', async () => {
    expect(await node.infer('other', one, { 'x-sluice-deadline-ms': '0' })).toMatchObject({ status: 504 });
  });
});

describe('priority', () => {
  it('decides who is next: 1 first, none last', async () => {
    const config = { warmup: false, instances: 1 };
    await node.load({ model: 'ordered', files: { 'model.onnx': busyModel }, config });
    const long = node.infer('ordered', size(2_500));
    await whenComputing(runners().at(-1) ?? 0);
    const answered: (number | undefined)[] = [];
    const send = async (priority: number | undefined): Promise<void> => {
      const body = JSON.stringify({ parameters: priority ? { priority } : {}, inputs: size(700) });
      expect((await node.send('POST', '/v2/models/ordered/infer', { body })).status).toBe(200);
      answered.push(priority);
    };
    await Promise.all([send(undefined), send(7), send(1), send(2), long]);
    expect(answered).toEqual([1, 2, 7, undefined]);
  });
});

describe('a full queue', () => {
  it('refuses with 503, and a caller that hangs up frees its place', async () => {
    await node.load({
      model: 'narrow',
      files: { 'model.onnx': busyModel },
      config: { max_queue_size: 1, warmup: false, instances: 1 },
    });
    const running = node.infer('narrow', size(3_000));
    await whenInFlight(1);
    const token = await node.registry.token('gateway');
    const body = JSON.stringify({ inputs: size(4) });
    const { port } = new URL(node.url);
    const waiting = request({
      port,
      method: 'POST',
      path: '/v2/models/narrow/infer',
      headers: { authorization: `Bearer ${token}` },
    });
    waiting.on('error', () => undefined);
    waiting.end(body);
    await whenInFlight(2);
    const refused = await node.infer('narrow', size(4));
    expect(refused).toMatchObject({ status: 503, code: 'OVERLOADED' });
    expect(refused.headers.get('retry-after')).toBe('1');
    waiting.destroy();
    await whenInFlight(1);
    const taken: Answer = await node.infer('narrow', size(4));
    expect(taken.status).toBe(200);
    expect((await running).status).toBe(200);
  });

  it('refuses at once what could not be answered in time, but nothing while a runner is idle', async () => {
    await node.load({
      model: 'steady',
      files: { 'model.onnx': busyModel },
      config: { warmup: false, instances: 1 },
    });
    for (let i = 0; i < 3; i += 1) expect((await node.infer('steady', size(2_000))).status).toBe(200);
    const running = Array.from({ length: 4 }, () => node.infer('steady', size(2_000)));
    await whenInFlight(4);
    const start = performance.now();
    const refused = await node.infer('steady', size(4), { 'x-sluice-deadline-ms': '200' });
    expect(refused).toMatchObject({ status: 503, code: 'OVERLOADED' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(performance.now() - start).toBeLessThan(200);
    for (const answer of await Promise.all(running)) expect(answer.status).toBe(200);
    expect((await node.infer('steady', size(4), { 'x-sluice-deadline-ms': '200' })).status).toBe(200);
  });

  it('does not slow health down', async () => {
    const busy = Array.from({ length: 4 }, () => node.infer('narrow', size(1_500)));
    const start = performance.now();
    for (let i = 0; i < 20; i += 1) expect((await fetch(`${node.url}/v2/health/live`)).status).toBe(200);
    expect((performance.now() - start) / 20).toBeLessThan(100);
    await Promise.all(busy);
  });
});

it('a port that is taken is one clear error', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(NodeUnderTest.start({ SLUICE_NODE_PORT: String(port) })).rejects.toThrow(/EADDRINUSE/);
  server.close();
});
