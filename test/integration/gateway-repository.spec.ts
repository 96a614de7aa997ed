/** Triton's repository and statistics calls at a gateway: load and unload become the registry's, statistics the sum of the nodes'. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VersionConfig } from '#contracts/models';
import type { Version } from '#contracts/models';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import {
  TestNode,
  TestRegistry,
  cleanUp,
  makeSnapshot,
  makeToken,
  publish,
  startTestGateway,
} from './gateway-harness.js';

let registry: TestRegistry;
let gateway: Gateway;
let one: TestNode;
let two: TestNode;

beforeEach(async () => {
  registry = await TestRegistry.start();
  [one, two] = [await TestNode.start('one'), await TestNode.start('two')];
  gateway = await startTestGateway(registry.url);
  const versions = { 1: [one.replica, two.replica], 2: [one.replica] };
  await publish(registry, gateway, makeSnapshot({ keys: registry.keys, versions }));
  await gateway.ready;
});
afterEach(cleanUp);

interface Answer {
  readonly status: number;
  readonly code: string | null;
  readonly body: unknown;
}

async function send(method: string, path: string, scope: string, body?: object): Promise<Answer> {
  const headers = { authorization: `Bearer ${await makeToken(registry.keys, { scope })}` };
  const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
  const response = await fetch(gateway.url + path, init);
  const answer: unknown = await response.json();
  return { status: response.status, code: response.headers.get('x-sluice-code'), body: answer };
}

/** The registry answers with `status`; gives what it was asked. */
function registryAnswers(status: number, body: object): string[] {
  const asked: string[] = [];
  registry.other = (req, res) => {
    asked.push(`${req.method} ${req.url}`);
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  return asked;
}

const version: Version = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  model: 'iris',
  version: 2,
  status: 'READY',
  status_reason: null,
  description: '',
  tags: {},
  aliases: [],
  files: [],
  entry_file: 'model.onnx',
  signature: null,
  profile: null,
  config: {
    revision: 1,
    config: VersionConfig.parse({}),
    created_at: '2026-01-01T00:00:00Z',
    created_by: 'tester',
  },
  run_id: null,
  held: true,
  external: false,
  archived_at: null,
  created_at: '2026-01-01T00:00:00Z',
  created_by: 'tester',
};

describe('load and unload', () => {
  const load = '/v2/repository/models/iris/load';
  const unload = '/v2/repository/models/iris/unload';

  it.each([
    ['load takes the newest version', load, {}, ['2/load']],
    ['load takes a version by its number', load, { parameters: { version: '1' } }, ['1/load']],
    ['unload takes all versions', unload, {}, ['2/unload', '1/unload']],
    ['unload takes a version by its number', unload, { parameters: { version: 2 } }, ['2/unload']],
  ])('%s to the registry', async (_, path, body, calls) => {
    const asked = registryAnswers(200, version);
    expect(await send('POST', path, 'admin infer', body)).toMatchObject({ status: 200 });
    expect(asked).toEqual(calls.map((call) => `POST /api/v1/models/iris/versions/${call}`));
  });

  it('take the registry’s refusal in the protocol’s words', async () => {
    registryAnswers(409, {
      type: 'about:blank',
      title: 'The version still gets traffic',
      status: 409,
      code: 'VERSION_IN_USE',
      detail: 'Version 2 gets traffic.',
      retryable: false,
    });
    expect(await send('POST', unload, 'admin infer', {})).toEqual({
      status: 409,
      code: 'VERSION_IN_USE',
      body: { error: 'Version 2 gets traffic.' },
    });
  });

  it.each([
    ['without the scope', load, 'infer', {}, 403, 'FORBIDDEN'],
    ['of another endpoint', '/v2/repository/models/other/load', 'admin infer', {}, 404, 'ENDPOINT_NOT_FOUND'],
    ['of another version', load, 'admin infer', { parameters: { version: 9 } }, 404, 'VERSION_NOT_FOUND'],
    ['with a model of its own', load, 'admin infer', { parameters: { 'file:1/model.onnx': 'AA' } }, 400, 'INVALID_REQUEST'],
  ])('are refused %s, and the registry is not asked', async (_, path, scope, body, status, code) => {
    const asked = registryAnswers(200, version);
    expect(await send('POST', path, scope, body)).toMatchObject({ status, code, body: { error: expect.any(String) } });
    expect(asked).toEqual([]);
  }); // prettier-ignore
});

describe('statistics', () => {
  const row = (name: string, number: string, count: number, sizes: readonly number[]) => ({
    name,
    version: number,
    last_inference: count,
    inference_count: count,
    inference_stats: { success: { count, ns: count * 10 } },
    batch_stats: sizes.map((batch_size) => ({ batch_size, compute_infer: { count, ns: count } })),
  });
  const nodeCounts = (node: TestNode, ...rows: readonly object[]): void => {
    node.respond = (_req, res) => res.end(JSON.stringify({ model_stats: rows }));
  };

  it('of an endpoint are the sum over the nodes, version by version', async () => {
    nodeCounts(one, row('iris', '1', 5, [1, 4]), row('iris', '2', 7, [1]));
    nodeCounts(two, row('iris', '1', 3, [4, 8]));
    const { status, body } = await send('GET', '/v2/models/iris/stats', 'infer');
    expect(status).toBe(200);
    const infer = (count: number) => ({ compute_infer: { count, ns: count } });
    expect(body).toEqual({
      model_stats: [
        {
          ...row('iris', '1', 8, []),
          last_inference: 5,
          batch_stats: [
            { batch_size: 1, ...infer(5) },
            { batch_size: 4, ...infer(8) },
            { batch_size: 8, ...infer(3) },
          ],
        },
        row('iris', '2', 7, [1]),
      ],
    });
    expect([one, two].map(({ seen }) => seen.map(({ url }) => url))).toEqual([
      ['/v2/models/iris/stats'],
      ['/v2/models/iris/stats'],
    ]);
  });

  it('of one version come from the nodes that hold it', async () => {
    nodeCounts(one, row('iris', '2', 7, [1]));
    nodeCounts(two);
    expect((await send('GET', '/v2/models/iris/versions/2/stats', 'infer')).body).toEqual({
      model_stats: [row('iris', '2', 7, [1])],
    });
    expect([one, two].map(({ seen }) => seen.length)).toEqual([1, 0]);
  });

  it('of everything leave out what the caller may not use', async () => {
    nodeCounts(one, row('iris', '1', 5, []), row('secret', '1', 9, []));
    nodeCounts(two, row('iris', '1', 1, []));
    expect((await send('GET', '/v2/models/stats', 'infer')).body).toEqual({
      model_stats: [{ ...row('iris', '1', 6, []), last_inference: 5 }],
    });
  });

  it('are an error when a node does not give its own', async () => {
    nodeCounts(one);
    two.respond = (_req, res) => res.writeHead(500).end('{}');
    expect(await send('GET', '/v2/models/iris/stats', 'infer')).toMatchObject({ status: 502, code: 'UPSTREAM_FAILED' });
  }); // prettier-ignore
});

describe('the index', () => {
  const row = (number: string, state: string, reason = '') => ({
    name: 'iris',
    version: number,
    state,
    reason,
  });
  const index = async (body?: object): Promise<unknown> =>
    (await send('POST', '/v2/repository/index', 'infer', body)).body;

  it('asks nobody while everything is ready', async () => {
    expect(await index()).toEqual([row('1', 'READY'), row('2', 'READY')]);
    expect([...one.seen, ...two.seen]).toEqual([]);
  });

  it('tells of what is not ready what the nodes say, the best of it', async () => {
    const versions = { 1: [one.replica, two.replica], 2: [], 3: [], 4: [] };
    await publish(registry, gateway, makeSnapshot({ keys: registry.keys, versions, revision: 2 }));
    one.respond = (_req, res) =>
      res.end(
        JSON.stringify([row('1', 'READY'), row('2', 'UNAVAILABLE', 'out of memory'), row('3', 'LOADING')]),
      );
    two.respond = (_req, res) => res.end(JSON.stringify([row('3', 'UNAVAILABLE', 'no such file')]));
    expect(await index()).toEqual([
      row('1', 'READY'),
      row('2', 'UNAVAILABLE', 'out of memory'),
      row('3', 'LOADING'),
      row('4', 'UNAVAILABLE', 'No node holds this version now.'),
    ]);
    expect(await index({ ready: true })).toEqual([row('1', 'READY')]);
    one.respond = (_req, res) => res.writeHead(500).end('{}');
    expect(await index()).toContainEqual(row('2', 'UNAVAILABLE', 'No node holds this version now.'));
  });
});
