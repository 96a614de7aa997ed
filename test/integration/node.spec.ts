/** The node's HTTP front before real runners: the protocol, every datatype against ONNX Runtime itself, who may call, bad input. */
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeExtensions } from '#contracts/oip';
import { identityModel, onnxModel } from '../support/onnx-model.js';
import type { ElementType } from '../support/onnx-model.js';
import { NodeUnderTest } from '../support/node.js';

let node: NodeUnderTest;
const twoInputs = onnxModel({
  inputs: [
    { name: 'a', type: 'FP32', shape: ['n', 2] },
    { name: 'b', type: 'FP32', shape: ['n', 2] },
  ],
  outputs: [
    { name: 'sum', type: 'FP32', shape: ['n', 2] },
    { name: 'difference', type: 'FP32', shape: ['n', 2] },
  ],
  ops: [
    { type: 'Add', inputs: ['a', 'b'], outputs: ['sum'] },
    { type: 'Sub', inputs: ['a', 'b'], outputs: ['difference'] },
  ],
});
const a = { name: 'a', datatype: 'FP32', shape: [1, 2], data: [3, 4] };
const b = { name: 'b', datatype: 'FP32', shape: [1, 2], data: [1, 10] };

beforeAll(async () => {
  node = await NodeUnderTest.start({ SLUICE_NODE_MAX_BODY_BYTES: '300000' });
  await node.load({ model: 'calc', version: 1, files: { 'model.onnx': twoInputs } });
  await node.load({ model: 'calc', version: 3, files: { 'model.onnx': twoInputs } });
});
afterAll(() => node.close());

describe('the Open Inference Protocol', () => {
  it('tells that it lives and is ready, to anyone', async () => {
    for (const path of ['/v2/health/live', '/v2/health/ready', '/v2/health/ready?verbose=1'])
      expect((await fetch(node.url + path)).status).toBe(200);
  });

  it.each(['/v2', '/v2/'])('describes the server at %s', async (path) => {
    const { body } = await node.send('GET', path);
    expect(body).toMatchObject({ name: 'sluice', extensions: nodeExtensions });
    expect(body['version']).toMatch(/^\d/);
  });

  it('describes a model, with or without a version', async () => {
    const expected = {
      name: 'calc',
      versions: ['1', '3'],
      platform: 'onnx_onnxv1',
      inputs: [
        { name: 'a', datatype: 'FP32', shape: [-1, 2] },
        { name: 'b', datatype: 'FP32', shape: [-1, 2] },
      ],
      outputs: [
        { name: 'sum', datatype: 'FP32', shape: [-1, 2] },
        { name: 'difference', datatype: 'FP32', shape: [-1, 2] },
      ],
    };
    expect((await node.send('GET', '/v2/models/calc')).body).toEqual(expected);
    expect((await node.send('GET', '/v2/models/calc/versions/1')).body).toEqual(expected);
    expect((await node.send('GET', '/v2/models/calc/ready')).body).toEqual({ name: 'calc', ready: true });
  });

  it('infers: id echoed, outputs chosen and ordered, the highest version by default', async () => {
    const body = JSON.stringify({
      id: 'q-1',
      inputs: [b, a],
      outputs: [{ name: 'difference' }, { name: 'sum' }],
    });
    expect((await node.send('POST', '/v2/models/calc/infer?x=1', { body })).body).toEqual({
      model_name: 'calc',
      model_version: '3',
      id: 'q-1',
      outputs: [
        { name: 'difference', datatype: 'FP32', shape: [1, 2], data: [2, -6] },
        { name: 'sum', datatype: 'FP32', shape: [1, 2], data: [4, 14] },
      ],
    });
    expect((await node.infer('calc/versions/1', [a, b])).body['model_version']).toBe('1');
  });

  it('takes the header length of an all-JSON request, as stock clients send it', async () => {
    const body = JSON.stringify({ inputs: [a, b] });
    const withLength = (length: number) =>
      node.send('POST', '/v2/models/calc/infer', {
        body,
        headers: { 'inference-header-content-length': String(length) },
      });
    expect((await withLength(body.length)).status).toBe(200);
    expect((await withLength(10)).status).toBe(400);
  });

  it.each([
    ['GET', '/nothing', 404, 'NOT_FOUND', 'Not Found'],
    ['GET', '/v2/models/none', 404, 'MODEL_NOT_FOUND', /none/],
    ['POST', '/v2/models/none/infer', 404, 'MODEL_NOT_FOUND', /none/],
    ['GET', '/v2/models/calc/versions/2', 404, 'VERSION_NOT_FOUND', /version 2/],
    ['POST', '/v2/models/calc/versions/x/infer', 404, 'VERSION_NOT_FOUND', /'x'/],
    ['GET', '/v2/models/calc/infer', 405, 'METHOD_NOT_ALLOWED', /Method/],
    ['POST', '/v2/health/live', 405, 'METHOD_NOT_ALLOWED', /Method/],
    ['DELETE', '/v2/models/calc', 405, 'METHOD_NOT_ALLOWED', /Method/],
  ])('%s %s → %i %s', async (method, path, status, code, words) => {
    const answer = await node.send(method, path);
    expect(answer).toMatchObject({ status, code });
    expect(answer.body['error']).toMatch(words);
  });
});

describe('bad input', () => {
  it.each([
    ['no JSON', 'abc', 'INVALID_JSON', /not valid JSON/],
    ['an empty body', '', 'INVALID_JSON', /not valid JSON/],
    ['a missing input', JSON.stringify({ inputs: [a] }), 'INVALID_TENSOR', /missing input 'b'/],
    [
      'a wrong shape',
      JSON.stringify({ inputs: [a, { ...b, shape: [1, 3] }] }),
      'INVALID_TENSOR',
      /'b'.*\[-1, 2\]/,
    ],
    [
      'inputs that do not fit each other',
      JSON.stringify({ inputs: [a, { ...b, shape: [3, 2], data: [1, 2, 3, 4, 5, 6] }] }),
      'OK',
      /sum/,
    ],
  ])('%s', async (_, body, code, words) => {
    const answer = await node.send('POST', '/v2/models/calc/infer', { body });
    expect(answer.status).toBe(code === 'OK' ? 200 : 400);
    expect(answer.text).toMatch(words);
  });

  it('what only ONNX Runtime can see comes back in its words', async () => {
    const c = { ...b, shape: [3, 2], data: [1, 2, 3, 4, 5, 6] };
    const answer = await node.infer('calc', [{ ...a, shape: [2, 2], data: [1, 2, 3, 4] }, c]);
    expect(answer).toMatchObject({ status: 500, code: 'RUNNER_FAILED' });
    expect(answer.body['error']).toMatch(/running (?:Add|Sub) node/);
    expect(answer.body['error']).not.toContain('onnxruntime_src');
  });

  it('a body beyond the limit → 413, announced or not', async () => {
    const body = 'x'.repeat(300_001);
    expect(await node.send('POST', '/v2/models/calc/infer', { body })).toMatchObject({
      status: 413,
      code: 'PAYLOAD_TOO_LARGE',
    });
    const chunks = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 40; i += 1) controller.enqueue(new TextEncoder().encode('x'.repeat(10_000)));
        controller.close();
      },
    });
    const init = { body: chunks, duplex: 'half' } as RequestInit;
    expect(await node.send('POST', '/v2/models/calc/infer', init)).toMatchObject({ status: 413 });
  });

  it('an unknown encoding → 415, a wrong deadline → 400', async () => {
    expect(await node.infer('calc', [a, b], { 'content-encoding': 'br' })).toMatchObject({ status: 415 });
    expect(await node.infer('calc', [a, b], { 'x-sluice-deadline-ms': 'soon' })).toMatchObject({
      status: 400,
    });
  });

  it('what is not HTTP gets an answer in the same form', async () => {
    const socket = connect(Number(new URL(node.url).port), '127.0.0.1');
    socket.write('BROKEN\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1.1 400 [\s\S]*x-sluice-code: INVALID_REQUEST[\s\S]*{"error":"/);
  });
});

describe('who may call', () => {
  const call = (authorization?: string): Promise<Response> =>
    fetch(`${node.url}/v2/models/calc/infer`, {
      method: 'POST',
      body: JSON.stringify({ inputs: [a, b] }),
      headers: authorization === undefined ? {} : { authorization },
    });

  it('only gateways', async () => {
    const { registry } = node;
    expect((await call()).status).toBe(401);
    expect((await call('Bearer nonsense')).status).toBe(401);
    expect((await call(`Bearer ${await registry.token('gateway', -60)}`)).status).toBe(401);
    expect((await call(`Bearer ${await registry.token('infer admin node')}`)).status).toBe(403);
    expect((await call(`Bearer ${await registry.token('gateway')}`)).status).toBe(200);
    expect((await fetch(`${node.url}/v2`)).status).toBe(401);
    expect((await fetch(`${node.url}/v2/models/calc`)).status).toBe(401);
  });

  it('a token signed by someone else’s key is refused without asking the registry each time', async () => {
    const before = node.registry.jwksRequests;
    const stranger = await NodeUnderTest.start();
    const token = await stranger.registry.token('gateway');
    for (let i = 0; i < 5; i += 1) expect((await call(`Bearer ${token}`)).status).toBe(401);
    expect(node.registry.jwksRequests - before).toBeLessThanOrEqual(1);
    await stranger.close();
  });
});

describe('every datatype is what ONNX Runtime gives when it is called directly', () => {
  const cases: readonly [ElementType, ort.Tensor.Type, ort.Tensor.DataType, unknown[]][] = [
    ['BOOL', 'bool', Uint8Array.of(1, 0), [true, false]],
    ['UINT8', 'uint8', Uint8Array.of(0, 255), [0, 255]],
    ['UINT16', 'uint16', Uint16Array.of(0, 65_535), [0, 65_535]],
    ['UINT32', 'uint32', Uint32Array.of(0, 4_294_967_295), [0, 4_294_967_295]],
    ['UINT64', 'uint64', BigUint64Array.of(0n, 2n ** 64n - 1n), [0, '18446744073709551615']],
    ['INT8', 'int8', Int8Array.of(-128, 127), [-128, 127]],
    ['INT16', 'int16', Int16Array.of(-32_768, 32_767), [-32_768, 32_767]],
    ['INT32', 'int32', Int32Array.of(-(2 ** 31), 2 ** 31 - 1), [-(2 ** 31), 2 ** 31 - 1]],
    [
      'INT64',
      'int64',
      BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n),
      ['-9223372036854775808', '9007199254740993'],
    ],
    ['FP32', 'float32', Float32Array.of(0.1, -0), [0.1, -0]],
    ['FP64', 'float64', Float64Array.of(0.1, 1e-320), [0.1, 1e-320]],
    ['BYTES', 'string', ['a', 'ä€😀'], ['a', 'ä€😀']],
  ];
  const asFloat32 = (text: string): string =>
    text === '-0' ? text : JSON.stringify(Math.fround(Number(text)));
  it.each(cases)('%s', async (datatype, type, data, json) => {
    const model = identityModel(datatype);
    await node.load({ model: `identity-${datatype}`, files: { 'model.onnx': model } });
    const session = await ort.InferenceSession.create(model);
    const direct = (await session.run({ x: new ort.Tensor(type, data, [2]) }))['y']
      ?.data as unknown as ArrayLike<unknown>;
    const tokens = json.map((value) => (Object.is(value, -0) ? '-0' : JSON.stringify(value)));
    const body = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[2],"data":[${tokens.join(',')}]}]}`;
    const answer = await node.send('POST', `/v2/models/identity-${datatype}/infer`, { body });
    expect(answer.status, answer.text).toBe(200);
    const written = /"data":\[(.*)\]}\]}$/.exec(answer.text)?.[1] ?? '';
    // The shortest text of a float of 32 bits is shorter than that of the same value in 64.
    const answered = datatype === 'FP32' ? written.split(',').map(asFloat32).join(',') : written;
    const expected = Array.from(direct, (value) => {
      if (datatype === 'BOOL') return value ? 'true' : 'false';
      if (Object.is(value, -0)) return '-0';
      return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
    });
    expect(answered).toBe(expected.join(','));
  });

  it('FP16 loads, and JSON for it is refused in Triton’s words', async () => {
    const { report } = await node.load({ model: 'half', files: { 'model.onnx': identityModel('FP16') } });
    expect(report.signature?.inputs).toEqual([{ name: 'x', datatype: 'FP16', shape: [-1] }]);
    const answer = await node.infer('half', [{ name: 'x', datatype: 'FP16', shape: [1], data: [1] }]);
    expect(answer).toMatchObject({ status: 400, code: 'INVALID_TENSOR' });
    expect(answer.body['error']).toMatch(/sending FP16 data via JSON is not supported/);
  });
});

describe('connections', () => {
  it('a large body in and out arrives whole', async () => {
    await node.load({ model: 'big', files: { 'model.onnx': identityModel('INT32') } });
    const data = Array.from({ length: 30_000 }, (_, index) => index);
    const { body } = await node.infer('big', [{ name: 'x', datatype: 'INT32', shape: [data.length], data }]);
    expect((body['outputs'] as { data: number[] }[])[0]?.data).toEqual(data);
  });

  it('many at once are each answered with their own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        node.infer('calc', [
          { ...a, data: [index, index] },
          { ...b, data: [1, 2] },
        ]),
      ),
    );
    for (const [index, { text }] of answers.entries())
      expect(text).toContain(`"data":[${index + 1},${index + 2}]`);
  });

  it('a caller that hangs up in mid-body does no harm', async () => {
    const { port } = new URL(node.url);
    const token = await node.registry.token('gateway');
    const req = request({
      port,
      method: 'POST',
      path: '/v2/models/calc/infer',
      headers: { authorization: `Bearer ${token}`, 'content-length': 1_000 },
    });
    req.write('{"inputs":');
    req.on('error', () => undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
    req.destroy();
    expect((await node.infer('calc', [a, b])).status).toBe(200);
  });

  it('stays open between requests, also after a refusal', async () => {
    const { port } = new URL(node.url);
    const { Agent } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    for (const path of ['/nothing', '/v2/models/calc/infer', '/v2/health/live']) {
      const req = request({ port, path, agent });
      req.end();
      const [res] = (await once(req, 'response')) as [IncomingMessage];
      sockets.add(res.socket);
      res.resume();
      await once(res, 'end');
    }
    agent.destroy();
    expect(sockets.size).toBe(1);
  });
});
