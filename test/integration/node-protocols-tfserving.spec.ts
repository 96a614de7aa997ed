/** TensorFlow Serving's REST and KServe v1 on a node, before real runners. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel } from '../support/onnx-model.js';
import { NodeUnderTest } from '../support/node.js';

let node: NodeUnderTest;

beforeAll(async () => {
  node = await NodeUnderTest.start();
  for (const version of [1, 3])
    await node.load({ model: 'half', version, files: { 'model.onnx': identityModel('FP32', ['n', 2]) } });
});
afterAll(() => node.close());

const post = (path: string, body: object) => node.send('POST', path, { body: JSON.stringify(body) });
const available = (version: string) => ({
  version,
  state: 'AVAILABLE',
  status: { error_code: 'OK', error_message: '' },
});

describe('predictions', () => {
  it.each(['/v1/models/half:predict', '/v1/models/half/versions/1:predict', '/V1/MODELS/half:PREDICT'])(
    'by rows and by columns at %s',
    async (path) => {
      const rows = [
        [1, 2],
        [3, 4.5],
      ];
      const byRow = await post(path, { instances: rows });
      expect(byRow.status, byRow.text).toBe(200);
      expect(byRow.body).toEqual({ predictions: rows });
      expect((await post(path, { inputs: { x: rows } })).body).toEqual({ outputs: rows });
    },
  );

  it('that are malformed are refused in the same form', async () => {
    const answer = await post('/v1/models/half:predict', { instances: [[1, 2]], inputs: [[1, 2]] });
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual({ error: expect.any(String) as string });
  });

  it('count in the statistics', async () => {
    const count = async (): Promise<unknown> => {
      const { body } = await node.send('GET', '/v2/models/half/versions/3/stats');
      return (body['model_stats'] as { inference_stats: { success: { count: number } } }[])[0]
        ?.inference_stats.success.count;
    };
    const before = Number(await count());
    await post('/v1/models/half:predict', { instances: [[1, 2]] });
    expect(await count()).toBe(before + 1);
  });
});

describe('models', () => {
  it('tell their status, newest first, and KServe’s readiness beside it', async () => {
    expect((await node.send('GET', '/v1/models/half')).body).toEqual({
      name: 'half',
      ready: true,
      model_version_status: [available('3'), available('1')],
    });
    expect((await node.send('GET', '/v1/models/half/versions/1')).body).toMatchObject({
      model_version_status: [available('1')],
    });
  });

  it('that failed say why', async () => {
    const assignment = node.registry.assign({ model: 'bad', files: { 'model.onnx': Buffer.from('?') } });
    await node.registry.whenReported(assignment, ({ state }) => state === 'FAILED');
    expect((await node.send('GET', '/v1/models/bad')).body).toMatchObject({
      ready: false,
      model_version_status: [
        { version: '1', state: 'END', status: { error_message: expect.stringMatching(/./) as string } },
      ],
    });
    expect(await post('/v1/models/bad:predict', { instances: [1] })).toMatchObject({
      status: 503,
      body: { error: 'Servable not found for request: Latest(bad)' },
    });
  });

  it('describe their signature', async () => {
    const tensor = (name: string) => ({
      dtype: 'DT_FLOAT',
      tensor_shape: {
        dim: [
          { size: '-1', name: '' },
          { size: '2', name: '' },
        ],
        unknown_rank: false,
      },
      name: `${name}:0`,
    });
    expect((await node.send('GET', '/v1/models/half/metadata')).body).toEqual({
      model_spec: { name: 'half', signature_name: '', version: '3' },
      metadata: {
        signature_def: {
          signature_def: {
            serving_default: {
              inputs: { x: tensor('x') },
              outputs: { y: tensor('y') },
              method_name: 'tensorflow/serving/predict',
            },
          },
        },
      },
    });
  });

  it('are listed as KServe v1 does', async () => {
    expect((await node.send('GET', '/v1/models')).body['models']).toEqual(['half']);
  });
});

describe('refusals', () => {
  it.each([
    ['POST', '/v1/models/none:predict', 404, 'Servable not found for request: Latest(none)'],
    ['POST', '/v1/models/half/versions/2:predict', 404, 'Servable not found for request: Specific(half, 2)'],
    ['GET', '/v1/models/none/metadata', 404, 'Servable not found for request: Latest(none)'],
    ['GET', '/v1/models/none', 404, 'Could not find any versions of model none'],
    ['GET', '/v1/models/half/versions/2', 404, 'Could not find version 2 of model half'],
    ['POST', '/v1/models/half/labels/stable:predict', 400, 'Unrecognized servable version label: stable'],
    ['GET', '/v1/models/versions/2', 400, 'Missing model name in request.'],
    ['POST', '/v1/models/half:explain', 400, 'Malformed request: POST /v1/models/half:explain'],
    ['GET', '/v1/models/half:predict', 405, 'Method Not Allowed'],
  ])('%s %s → %i', async (method, path, status, error) => {
    const answer = await node.send(method, path);
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({ error });
  });
});
