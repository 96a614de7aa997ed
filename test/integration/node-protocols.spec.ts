/** Triton's side of a node: extensions, binary tensors, compression, statistics and configuration, before real runners. */
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel } from '../support/onnx-model.js';
import { NodeUnderTest } from '../support/node.js';
import type { Answer } from '../support/node.js';

let node: NodeUnderTest;
let token = '';

beforeAll(async () => {
  node = await NodeUnderTest.start({
    SLUICE_NODE_SERVER_NAME: 'triton',
    SLUICE_NODE_MAX_BODY_BYTES: '200000',
    SLUICE_NODE_MAX_INFLATED_BYTES: '100000',
  });
  token = await node.registry.token('gateway');
  await node.load({ model: 'echo', version: 2, files: { 'model.onnx': identityModel('FP32', ['n', 2]) } });
  await node.load({ model: 'fixed', files: { 'model.onnx': identityModel('INT64', [2, 2]) } });
});
afterAll(() => node.close());

const tensor = (data: readonly number[]) => ({
  name: 'x',
  datatype: 'FP32',
  shape: [data.length / 2, 2],
  data,
});
const jsonBody = (...data: number[]): string => JSON.stringify({ inputs: [tensor(data)] });

interface Raw {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Without the conveniences of fetch, which decompresses and sets headers of its own. */
async function raw(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: Buffer,
): Promise<Raw> {
  const { port } = new URL(node.url);
  const req = request({
    port,
    method,
    path,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  req.end(body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return { status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) };
}

describe('the server', () => {
  it('bears the configured name and lists what it can do', async () => {
    const { body } = await node.send('GET', '/v2');
    expect(body['name']).toBe('triton');
    expect(body['extensions']).toEqual(
      expect.arrayContaining(['binary_tensor_data', 'statistics', 'model_configuration']),
    );
  });

  it('lists its models and the index of its repository', async () => {
    expect((await node.send('GET', '/v2/models')).body).toEqual({ models: ['echo', 'fixed'] });
    const index = await raw('POST', '/v2/repository/index');
    expect(JSON.parse(index.body.toString())).toEqual([
      { name: 'echo', version: '2', state: 'READY', reason: '' },
      { name: 'fixed', version: '1', state: 'READY', reason: '' },
    ]);
    expect((await node.send('POST', '/v2/repository/index', { body: '{' })).status).toBe(400);
  });

  it('shows in the index what could not be loaded, and why, unless only what is ready is asked for', async () => {
    const assignment = node.registry.assign({
      model: 'broken',
      files: { 'model.onnx': Buffer.from('no model') },
    });
    await node.registry.whenReported(assignment, ({ state }) => state === 'FAILED');
    const rows = async (body: string): Promise<unknown[]> =>
      JSON.parse((await node.send('POST', '/v2/repository/index', { body })).text) as unknown[];
    expect(await rows('{}')).toContainEqual(
      expect.objectContaining({ name: 'broken', state: 'UNAVAILABLE', reason: expect.stringMatching(/./) }),
    );
    expect(await rows('{"ready":true}')).toHaveLength(2);
    node.registry.unassign(assignment);
  });

  it.each(['load', 'unload'])('does not %s models by itself', async (action) => {
    const answer = await node.send('POST', `/v2/repository/models/echo/${action}`, { body: '{}' });
    expect(answer).toMatchObject({ status: 400, code: 'INVALID_REQUEST' });
    expect(answer.body['error']).toMatch(/gateway/);
  });

  it.each([
    ['GET', '/v2/models/echo/infer', 'POST'],
    ['GET', '/v2/repository/index', 'POST'],
    ['POST', '/v2/models/echo/config', 'GET, HEAD'],
    ['PUT', '/v2/models/stats', 'GET, HEAD'],
  ])('%s %s → 405 with Allow: %s', async (method, path, allow) => {
    const answer = await node.send(method, path);
    expect(answer).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' });
    expect(answer.headers.get('allow')).toBe(allow);
    expect(answer.body['error']).toMatch(/./);
  });

  it('does not know a model whose name holds an encoded slash', async () => {
    const answer = await node.send('POST', '/v2/models/a%2Fb/infer', { body: '{}' });
    expect(answer).toMatchObject({ status: 404, code: 'MODEL_NOT_FOUND' });
    expect(answer.body['error']).toContain("'a/b'");
  });
});

describe('compression', () => {
  const infer = '/v2/models/echo/infer';

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
  ])('reads a body in %s', async (encoding, compress) => {
    const body = compress(jsonBody(1, 2));
    const answer = await raw('POST', infer, { 'content-encoding': encoding }, body);
    expect(answer.status, answer.body.toString()).toBe(200);
    expect(answer.body.toString()).toContain('"data":[1,2]');
  });

  it('refuses other encodings, broken bodies and bodies that inflate to too much', async () => {
    const send = (encoding: string, body: Buffer): Promise<Raw> =>
      raw('POST', infer, { 'content-encoding': encoding }, body);
    const foreign = await send('br', Buffer.from('x'));
    expect(foreign.status).toBe(415);
    expect(foreign.headers['accept-encoding']).toBe('gzip, deflate');
    expect((await send('gzip', Buffer.from(jsonBody(1, 2)))).status).toBe(400);
    expect((await send('deflate', gzipSync(jsonBody(1, 2)))).status).toBe(400);
    const bomb = await send('gzip', gzipSync(Buffer.alloc(50_000_000)));
    expect(bomb.status).toBe(413);
    expect(bomb.body.toString()).toMatch(/inflates to more than 100000 bytes/);
  });

  it.each([
    ['gzip', gunzipSync],
    ['deflate', inflateSync],
  ])('answers in %s when that is asked for and worth it', async (encoding, decompress) => {
    const small = await raw('POST', infer, { 'accept-encoding': encoding }, Buffer.from(jsonBody(1, 2)));
    expect(small.headers['content-encoding']).toBeUndefined();
    const data = Array.from({ length: 2_000 }, (_, index) => index);
    const body = Buffer.from(jsonBody(...data));
    const plain = await raw('POST', infer, {}, body);
    expect(plain.headers['content-encoding']).toBeUndefined();
    const packed = await raw('POST', infer, { 'accept-encoding': encoding }, body);
    expect(packed.headers).toMatchObject({
      'content-encoding': encoding,
      vary: 'accept-encoding',
      'content-length': String(packed.body.length),
    });
    expect(packed.body.length).toBeLessThan(plain.body.length);
    expect(decompress(packed.body).toString()).toBe(plain.body.toString());
  });
});

describe('binary tensors', () => {
  const header = (asked: object): Buffer =>
    Buffer.from(
      JSON.stringify({
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }],
        ...asked,
      }),
    );
  const data = Buffer.from(Float32Array.of(1.5, -2).buffer);
  const send = (json: Buffer, length = json.length): Promise<Raw> =>
    raw(
      'POST',
      '/v2/models/echo/infer',
      { 'inference-header-content-length': String(length) },
      Buffer.concat([json, data]),
    );

  it('come and go in binary', async () => {
    const answer = await send(header({ parameters: { binary_data_output: true } }));
    expect(answer.status, answer.body.toString()).toBe(200);
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    const length = Number(answer.headers['inference-header-content-length']);
    expect(JSON.parse(answer.body.subarray(0, length).toString())).toMatchObject({
      outputs: [{ name: 'y', parameters: { binary_data_size: 8 } }],
    });
    expect(answer.body.subarray(length)).toEqual(data);
  });

  it('are answered in JSON when that is asked for: no header, no octet stream', async () => {
    const answer = await send(header({}));
    expect(answer.status, answer.body.toString()).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['inference-header-content-length']).toBeUndefined();
    expect(answer.body.toString()).toContain('"data":[1.5,-2]');
  });

  it('may be all there is (header length 0)', async () => {
    const answer = await raw(
      'POST',
      '/v2/models/echo/infer',
      { 'inference-header-content-length': '0' },
      data,
    );
    expect(answer.status, answer.body.toString()).toBe(200);
    const length = Number(answer.headers['inference-header-content-length']);
    expect(answer.body.subarray(length)).toEqual(data);
  });

  it.each(['999', '-1', '1.5', 'x', ''])('header length %j → 400', async (length) => {
    const headers = { 'inference-header-content-length': length };
    const answer = await raw('POST', '/v2/models/echo/infer', headers, Buffer.from(jsonBody(1, 2)));
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body.toString())).toHaveProperty('error');
  });
});

describe('statistics', () => {
  interface Row {
    readonly name: string;
    readonly version: string;
    readonly last_inference: number;
    readonly inference_count: number;
    readonly execution_count: number;
    readonly inference_stats: Record<string, { count: number; ns: number }>;
    readonly batch_stats: { batch_size: number }[];
    readonly memory_usage: { byte_size: number }[];
  }
  const rows = (answer: Answer): Row[] => answer.body['model_stats'] as Row[];
  const rowOf = async (path: string): Promise<Row> => {
    const answer = await node.send('GET', path);
    const [row] = rows(answer);
    if (!row) throw new Error(answer.text);
    return row;
  };

  it('count successes, failures and time, and live through a new config revision', async () => {
    const files = { 'model.onnx': identityModel('FP32', ['n', 2]) };
    const { assignment } = await node.load({ model: 'counted', version: 4, files });
    for (let i = 0; i < 3; i += 1) await node.infer('counted', [tensor([1, 2])]);
    expect((await node.infer('counted', [])).status).toBe(400);
    const row = await rowOf('/v2/models/counted/versions/4/stats');
    expect(row).toMatchObject({ name: 'counted', version: '4', inference_count: 3, execution_count: 3 });
    expect(Math.abs(row.last_inference - Date.now())).toBeLessThan(60_000);
    for (const part of ['success', 'queue', 'compute_input', 'compute_infer', 'compute_output'])
      expect(row.inference_stats[part]).toMatchObject({ count: 3, ns: expect.any(Number) });
    const { success, compute_infer: infer, fail, cache_hit: hit, cache_miss: miss } = row.inference_stats;
    expect(success?.ns).toBeGreaterThan(infer?.ns ?? 0);
    expect(infer?.ns).toBeGreaterThan(0);
    expect(fail?.count).toBe(1);
    expect([hit, miss]).toEqual([
      { count: 0, ns: 0 },
      { count: 0, ns: 0 },
    ]);
    expect(row.batch_stats).toEqual([expect.objectContaining({ batch_size: 1 })]);
    expect(row.memory_usage[0]?.byte_size).toBeGreaterThan(1_000_000);

    const changed = node.registry.reconfigure(assignment, { instances: 1, max_queue_size: 7 });
    await node.registry.whenReported(changed, ({ state }) => state === 'READY');
    await node.infer('counted', [tensor([1, 2])]);
    expect((await rowOf('/v2/models/counted/stats')).inference_count).toBe(4);
  });

  it('are there for all versions at once, and for none that is not here', async () => {
    const names = rows(await node.send('GET', '/v2/models/stats')).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['echo', 'fixed']));
    expect(await node.send('GET', '/v2/models/none/stats')).toMatchObject({ status: 404 });
    expect(await node.send('GET', '/v2/models/echo/versions/9/stats')).toMatchObject({
      status: 404,
      code: 'VERSION_NOT_FOUND',
    });
  });
});

describe('the configuration', () => {
  interface Config {
    readonly max_batch_size: number;
    readonly input: { name: string; dims: number[] }[];
  }

  it.each(['echo', 'fixed'])('of %s agrees with its metadata as perf_analyzer reads them', async (model) => {
    const config = (await node.send('GET', `/v2/models/${model}/config`)).body as unknown as Config;
    const metadata = (await node.send('GET', `/v2/models/${model}`)).body;
    const [input] = metadata['inputs'] as { name: string; shape: number[] }[];
    const isBatched = config.max_batch_size > 0;
    expect(config).toMatchObject({ name: model, platform: 'onnxruntime_onnx', backend: 'onnxruntime' });
    expect('dynamic_batching' in config).toBe(isBatched);
    expect(config.input[0]?.name).toBe(input?.name);
    expect(isBatched ? [-1, ...(config.input[0]?.dims ?? [])] : config.input[0]?.dims).toEqual(input?.shape);
    if (model === 'fixed') expect(isBatched).toBe(false);
  });

  it('of a version by its number', async () => {
    expect((await node.send('GET', '/v2/models/echo/versions/2/config')).status).toBe(200);
    expect((await node.send('GET', '/v2/models/echo/versions/1/config')).status).toBe(404);
  });
});

describe('a body that does not come', () => {
  it('is given up at the deadline', async () => {
    const { port } = new URL(node.url);
    const req = request({
      port,
      method: 'POST',
      path: '/v2/models/echo/infer',
      headers: { authorization: `Bearer ${token}`, 'content-length': 100, 'x-sluice-deadline-ms': '50' },
    });
    req.on('error', () => undefined);
    req.write('{"inputs":');
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    expect(res.statusCode).toBe(408);
    expect(res.headers['x-sluice-code']).toBe('REQUEST_TIMEOUT');
    expect(res.headers.connection).toBe('close');
    req.destroy();
  });
});
