/** The node's configurable limits, and that what they turn away is counted. */
import { once } from 'node:events';
import { request } from 'node:http';
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { NodeUnderTest } from '../support/node.js';
import type { Answer } from '../support/node.js';
import { identityModel } from '../support/onnx-model.js';
import { busyModel, runners, size, whenComputing } from '../support/runners.js';

let node: NodeUnderTest;
beforeAll(async () => {
  node = await NodeUnderTest.start({
    SLUICE_NODE_MAX_JSON_DEPTH: '12',
    SLUICE_NODE_MAX_TENSOR_ELEMENTS: '100',
    SLUICE_NODE_MAX_BODY_BYTES: '20000',
  });
  await node.load({ model: 'echo', files: { 'model.onnx': identityModel('FP32', ['n']) } });
});
afterAll(() => node.close());

const Failures = z.object({
  model_stats: z.tuple([z.object({ inference_stats: z.object({ fail: z.object({ count: z.int() }) }) })]),
});
const failures = async (model: string): Promise<number> =>
  Failures.parse((await node.send('GET', `/v2/models/${model}/stats`)).body).model_stats[0].inference_stats
    .fail.count;

const vector = (length: number) => [
  { name: 'x', datatype: 'FP32', shape: [length], data: Array.from({ length }, (_, index) => index) },
];
const post = (body: string, headers: Record<string, string> = {}): Promise<Answer> =>
  node.send('POST', '/v2/models/echo/infer', { body, headers });
const nested = (levels: number): string =>
  `{"inputs":[],"extra":${'['.repeat(levels)}1${']'.repeat(levels)}}`;

describe('what a request may ask of the decoders', () => {
  it('is so many levels of nesting', async () => {
    expect((await post(nested(12))).body['error']).toMatch(/deeper than 12 levels/);
    expect((await post(nested(11))).body['error']).not.toMatch(/deeper/);
  });

  it('is so many elements in a tensor', async () => {
    expect((await node.infer('echo', vector(100))).status).toBe(200);
    const answer = await node.infer('echo', vector(101));
    expect(answer).toMatchObject({ status: 400, code: 'INVALID_TENSOR' });
    expect(answer.body['error']).toMatch(/'x'.*100 elements/);
  });
});

describe('the statistics count as failed', () => {
  it.each([
    ['a body that is too large', () => post(' '.repeat(20_001)), 413],
    ['an unknown encoding', () => post('{}', { 'content-encoding': 'br' }), 415],
    ['a broken encoding', () => post('{}', { 'content-encoding': 'gzip' }), 400],
    ['a deadline that is no number', () => post('{}', { 'x-sluice-deadline-ms': 'soon' }), 400],
    ['a header length that lies', () => post('{}', { 'inference-header-content-length': '9' }), 400],
  ])('%s', async (_, send, status) => {
    const before = await failures('echo');
    expect((await send()).status).toBe(status);
    expect(await failures('echo')).toBe(before + 1);
  });

  it('callers that hang up, before and after their body has arrived', async () => {
    await node.load({
      model: 'slow',
      files: { 'model.onnx': busyModel },
      config: { warmup: false, instances: 1 },
    });
    const token = await node.registry.token('gateway');
    const open = (headers: Record<string, string>) => {
      const { port } = new URL(node.url);
      const path = '/v2/models/slow/infer';
      const req = request({
        port,
        method: 'POST',
        path,
        headers: { authorization: `Bearer ${token}`, ...headers },
      });
      req.on('error', () => undefined);
      return req;
    };
    const running = open({});
    running.end(JSON.stringify({ inputs: size(2_500) }));
    await whenComputing(runners().at(-1) ?? 0);
    running.destroy();
    await vi.waitUntil(async () => (await failures('slow')) === 1, { timeout: 10_000 });
    const halfSent = open({ 'content-length': '1000', expect: '100-continue' });
    halfSent.flushHeaders();
    await once(halfSent, 'continue');
    halfSent.destroy();
    await vi.waitUntil(async () => (await failures('slow')) === 2, { timeout: 10_000 });
  });
});
