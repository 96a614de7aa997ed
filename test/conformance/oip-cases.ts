/** The Open Inference Protocol with Triton's extensions, request by request. */
import { deflateSync, gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { binaryBody, binaryTensor, floats, infer, tensor } from './cases.js';
import type { Case } from './cases.js';
import { serverName } from './stage.js';

const [a, b] = [tensor('a', [1, 2]), tensor('b', [10, 20])];
const inputs = [a, b];
const sum = { name: 'sum', datatype: 'FP32', shape: [1, 2], data: [11, 22] };
const difference = { name: 'difference', datatype: 'FP32', shape: [1, 2], data: [-9, -18] };
const counters = [
  'success',
  'fail',
  'queue',
  'compute_input',
  'compute_infer',
  'compute_output',
  'cache_hit',
  'cache_miss',
];
const get = (title: string, path: string, rest: Partial<Case> = {}): Case => ({
  title,
  method: 'GET',
  path,
  status: 200,
  ...rest,
});

export const serverCases: readonly Case[] = [
  get('is live', '/v2/health/live'),
  get('is ready', '/v2/health/ready'),
  ...['/v2', '/v2/', '/v2?a=b'].map((path) =>
    get(`describes itself at ${path}`, path, {
      json: {
        name: serverName,
        version: expect.any(String),
        extensions: expect.arrayContaining(['binary_tensor_data', 'statistics', 'model_configuration']),
      },
    }),
  ),
  get('describes a model', '/v2/models/pair', {
    answers: { 'content-type': /^application\/json/ },
    json: {
      name: 'pair',
      versions: expect.arrayContaining(['2']),
      platform: expect.stringMatching(/^onnx/),
      inputs: expect.arrayContaining([{ name: 'a', datatype: 'FP32', shape: [-1, 2] }]),
      outputs: expect.arrayContaining([{ name: 'sum', datatype: 'FP32', shape: [-1, 2] }]),
    },
  }),
  get('describes a version', '/v2/models/pair/versions/1', { json: { name: 'pair' } }),
  get('describes a model with a percent-encoded name', '/v2/models/two%20words', {
    json: { name: 'two words' },
  }),
  get('says that a model is ready', '/v2/models/pair/ready?x=1', { json: { name: 'pair', ready: true } }),
  get('says that a version is ready', '/v2/models/pair/versions/1/ready', {
    json: { name: 'pair', ready: true },
  }),
  get('describes a version by its alias', '/v2/models/pair/versions/canary', {
    json: { name: 'pair' },
  }),
  get('does not know other models', '/v2/models/other', { status: 404, error: /other/ }),
  get('does not know other models’ readiness', '/v2/models/other/ready', { status: 404, error: /other/ }),
  get('does not know other versions', '/v2/models/pair/versions/9', { status: 404, error: /9/ }),
  get('does not know version 0', '/v2/models/pair/versions/0', { status: 404, error: /0/ }),
  get('does not know other paths', '/v2/models/pair/other', { status: 404, error: /./ }),
  get('does not know other server paths', '/v2/other', { status: 404, error: /./ }),
  get('does not know names with a slash, encoded', '/v2/models/a%2Fb', { status: 404, error: /a\/b/ }),
  get('does not know names with a slash, as it is', '/v2/models/a/b', { status: 404, error: /a\/b/ }),
  ...['org%2Fteam%2Fpair', 'org/team/pair'].flatMap((name) => [
    get(`describes ${name}`, `/v2/models/${name}`, { json: { name: 'org/team/pair', versions: ['1'] } }),
    get(`describes ${name} by its version`, `/v2/models/${name}/versions/1`, {
      json: { name: 'org/team/pair' },
    }),
    get(`says that ${name} is ready`, `/v2/models/${name}/ready`, {
      json: { name: 'org/team/pair', ready: true },
    }),
    get(`shows the configuration of ${name}`, `/v2/models/${name}/config`, {
      json: { name: 'org/team/pair' },
    }),
    get(`counts what ${name} served`, `/v2/models/${name}/versions/1/stats`, {
      json: { model_stats: [{ name: 'org/team/pair', version: '1' }] },
    }),
  ]),
  get('answers for no climbing name', '/v2/models/org%2F..%2Fpair', { status: 404, error: /./ }),
  get('does not know badly encoded names', '/v2/models/%zz', { status: 404, error: /./ }),
  ...['GET', 'POST'].flatMap((method) =>
    [
      '/v2/trace/setting',
      '/v2/models/pair/trace/setting',
      '/v2/logging',
      '/v2/systemsharedmemory/status',
      '/v2/cudasharedmemory/region/x/register',
    ].map((path): Case => ({
      title: `says at ${method} ${path} that it does not do that`,
      method,
      path,
      status: 501,
      answers: { 'x-sluice-code': 'NOT_SUPPORTED' },
      error: /not supported/,
    })),
  ),
  get('lists its models', '/v2/models', { json: { models: expect.arrayContaining(['pair', 'two words']) } }),
  ...[undefined, { ready: true }].map((body): Case => ({
    title: `lists the repository${body === undefined ? '' : ', what is ready'}`,
    method: 'POST',
    path: '/v2/repository/index',
    body,
    status: 200,
    check: ({ json }) =>
      expect(json).toContainEqual({ name: 'pair', version: '1', state: 'READY', reason: '' }),
  })),
  ...['load', 'unload'].flatMap((action): Case[] => {
    const call = { method: 'POST', path: `/v2/repository/models/pair/${action}`, body: {} };
    return [
      {
        ...call,
        title: `sends who wants to ${action} to a gateway`,
        only: 'node',
        status: 400,
        error: /gateway/,
      },
      { ...call, title: `does not ${action} for everyone`, only: 'gateway', status: 403, error: /"admin"/ },
      {
        ...call,
        method: 'GET',
        title: `refuses GET on ${action}`,
        status: 405,
        answers: { allow: 'POST' },
        error: /./,
      },
    ];
  }),
  get('shows the configuration', '/v2/models/pair/config', {
    json: {
      name: 'pair',
      max_batch_size: expect.any(Number),
      input: expect.any(Array),
      output: expect.any(Array),
    },
    check: ({ json }) => {
      // perf_analyzer: with a batch size, dims are without the batch dimension; names must exist in the metadata.
      const config = json as { max_batch_size: number; input: { name: string; dims: unknown[] }[] };
      expect(config.input.map((input) => input.name).sort()).toEqual(['a', 'b']);
      for (const { dims } of config.input)
        expect(dims.map(Number)).toEqual(config.max_batch_size > 0 ? [2] : [-1, 2]);
    },
  }),
  ...['/v2/models/pair/stats', '/v2/models/pair/versions/2/stats', '/v2/models/stats'].map((path) =>
    get(`counts at ${path}`, path, {
      check: ({ json }) => {
        const { model_stats: rows } = json as { model_stats: Record<string, unknown>[] };
        const row = rows.find(({ name, version }) => name === 'pair' && version === '2');
        expect(row).toMatchObject({
          last_inference: expect.any(Number),
          inference_count: expect.any(Number),
          execution_count: expect.any(Number),
          inference_stats: Object.fromEntries(
            counters.map((name) => [name, { count: expect.any(Number), ns: expect.any(Number) }]),
          ),
          response_stats: {},
          batch_stats: expect.any(Array),
          memory_usage: [{ type: 'CPU', id: 0, byte_size: expect.any(Number) }],
        });
        for (const batch of (row?.['batch_stats'] ?? []) as object[])
          expect(batch).toEqual({
            batch_size: expect.any(Number),
            ...Object.fromEntries(
              ['compute_input', 'compute_infer', 'compute_output'].map((name) => [
                name,
                { count: expect.any(Number), ns: expect.any(Number) },
              ]),
            ),
          });
      },
    }),
  ),
  ...[
    '/v2',
    '/v2/health/live',
    '/v2/models/pair',
    '/v2/models/pair/ready',
    '/v2/models/pair/config',
    '/v2/models',
  ].map((path): Case => ({
    title: `refuses POST on ${path}`,
    method: 'POST',
    path,
    body: {},
    status: 405,
    answers: { allow: /GET/ },
    error: /./,
  })),
  ...['GET', 'PUT', 'DELETE'].map((method): Case => ({
    title: `refuses ${method} on infer`,
    method,
    path: '/v2/models/pair/infer',
    status: 405,
    answers: { allow: 'POST' },
    error: /./,
  })),
];

const good = (
  title: string,
  body: object | string,
  json: object | undefined,
  rest: Partial<Case> = {},
): Case => ({
  ...infer(body),
  title,
  status: 200,
  answers: { 'inference-header-content-length': null, 'content-type': /^application\/json/ },
  json,
  ...rest,
});

export const jsonCases: readonly Case[] = [
  good(
    'answers flat data',
    { inputs },
    { model_name: 'pair', model_version: '2', outputs: [sum, difference] },
  ),
  good(
    'answers nested data',
    { inputs: [tensor('a', [[1, 2]]), tensor('b', [[10, 20]])] },
    { outputs: [sum, difference] },
  ),
  good('answers inputs in another order', { inputs: [b, a] }, { outputs: [sum, difference] }),
  good('echoes the id', { id: 'ä-1', inputs }, { id: 'ä-1' }),
  good('echoes an empty id or none', { id: '', inputs }, { outputs: [sum, difference] }),
  good(
    'gives the outputs that are asked for, in that order',
    { inputs, outputs: [{ name: 'difference' }, { name: 'sum' }] },
    { outputs: [difference, sum] },
  ),
  good(
    'gives one output',
    { inputs, outputs: [{ name: 'sum', parameters: { binary_data: false } }] },
    { outputs: [sum] },
    {
      check: ({ json }) => expect((json as { outputs: unknown[] }).outputs).toHaveLength(1),
    },
  ),
  good(
    'takes parameters',
    { parameters: { priority: 1, timeout: 5_000_000, other: 'x', flag: true }, inputs },
    { outputs: [sum, difference] },
  ),
  good('takes an empty list of outputs as all', { inputs, outputs: [] }, { outputs: [sum, difference] }),
  good(
    'answers a batch',
    { inputs: [tensor('a', [1, 2, 3, 4], [2, 2]), tensor('b', [1, 1, 1, 1], [2, 2])] },
    { outputs: [{ shape: [2, 2], data: [2, 3, 4, 5] }, {}] },
  ),
  good(
    'answers an empty batch',
    { inputs: [tensor('a', [], [0, 2]), tensor('b', [], [0, 2])] },
    { outputs: [{ shape: [0, 2], data: [] }, {}] },
  ),
  good(
    'ignores the query',
    { inputs },
    { outputs: [sum, difference] },
    { path: '/v2/models/pair/infer?test_1=1&x' },
  ),
  good(
    'answers for a version',
    { inputs },
    { model_version: '1' },
    { path: '/v2/models/pair/versions/1/infer' },
  ),
  ...['org%2Fteam%2Fpair', 'org/team/pair', 'org%2Fteam/pair/versions/1'].map((name) =>
    good(
      `answers for ${name}`,
      { inputs },
      { model_name: 'org/team/pair', outputs: [sum, difference] },
      { path: `/v2/models/${name}/infer` },
    ),
  ),
  good(
    'answers for an alias',
    { inputs },
    { model_version: '1' },
    { path: '/v2/models/pair/versions/canary/infer' },
  ),
  good(
    'answers NaN and the infinities as it takes them',
    '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[NaN,Infinity,-Infinity]}]}',
    undefined,
    {
      path: '/v2/models/two%20words/infer',
      check: ({ bytes }) => expect(bytes.toString()).toContain('"data":[NaN,Infinity,-Infinity]'),
    },
  ),
  good('does without a content type', { inputs }, { outputs: [sum, difference] }, { headers: {} }),
  good(
    'takes a header length that covers all of the JSON',
    { inputs },
    { outputs: [sum, difference] },
    {
      headers: { 'inference-header-content-length': String(JSON.stringify({ inputs }).length) },
    },
  ),
  good(
    'answers a scoring model',
    {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3], data: [0.1, 0.7, 0.2] }],
      outputs: [{ name: 'y', parameters: { classification: 2 } }],
    },
    {
      outputs: [
        {
          name: 'y',
          datatype: 'BYTES',
          shape: [1, 2],
          data: [expect.stringMatching(/^0\.7\d*:1/), expect.stringMatching(/^0\.2\d*:2/)],
        },
      ],
    },
    { path: '/v2/models/two%20words/infer' },
  ),
];

const binaryInputs = [binaryTensor('a', 8), binaryTensor('b', 8)];
const asked = { parameters: { binary_data_output: true } };
const isBinary = (...values: readonly number[]): Partial<Case> => ({
  status: 200,
  answers: { 'inference-header-content-length': /^\d+$/, 'content-type': /^application\/octet-stream/ },
  check: ({ bytes, headers }) => {
    const tail = bytes.subarray(Number(headers['inference-header-content-length']));
    expect(tail).toEqual(floats(...values));
  },
});
const binary = (title: string, call: Partial<Case>, rest: Partial<Case>): Case => ({
  ...infer(undefined),
  title,
  status: 200,
  ...call,
  ...rest,
});
const twoTensors = [floats(1, 2), floats(10, 20)] as const;
const encoded = (encoding: string, encode: (bytes: Buffer) => Buffer): Partial<Case> => ({
  headers: { 'content-encoding': encoding },
  body: encode(Buffer.from(JSON.stringify({ inputs }))),
});
const askFor = (encoding: string): Partial<Case> => ({
  headers: { 'accept-encoding': encoding },
  body: {
    inputs: [
      tensor('a', Array<number>(2_000).fill(1), [1_000, 2]),
      tensor('b', Array<number>(2_000).fill(1), [1_000, 2]),
    ],
  },
});

export const binaryCases: readonly Case[] = [
  binary('answers binary inputs in JSON', binaryBody({ inputs: binaryInputs }, ...twoTensors), {
    json: { outputs: [sum, difference] },
    answers: { 'inference-header-content-length': null },
  }),
  binary(
    'answers in binary by parameter of the request',
    binaryBody({ ...asked, inputs: binaryInputs }, ...twoTensors),
    {
      ...isBinary(11, 22, -9, -18),
      json: {
        outputs: [
          { name: 'sum', shape: [1, 2], parameters: { binary_data_size: 8 } },
          { parameters: { binary_data_size: 8 } },
        ],
      },
    },
  ),
  binary('answers JSON inputs in binary', { body: { ...asked, inputs } }, isBinary(11, 22, -9, -18)),
  binary('takes mixed inputs', binaryBody({ inputs: [a, binaryTensor('b', 8)] }, floats(10, 20)), {
    json: { outputs: [sum, difference] },
  }),
  binary(
    'gives mixed outputs',
    binaryBody(
      {
        inputs: binaryInputs,
        outputs: [{ name: 'difference' }, { name: 'sum', parameters: { binary_data: true } }],
      },
      ...twoTensors,
    ),
    {
      ...isBinary(11, 22),
      json: { outputs: [difference, { name: 'sum', parameters: { binary_data_size: 8 } }] },
    },
  ),
  binary(
    'lets an output differ from the request',
    binaryBody(
      { ...asked, inputs: binaryInputs, outputs: [{ name: 'sum', parameters: { binary_data: false } }] },
      ...twoTensors,
    ),
    {
      json: { outputs: [sum] },
      answers: { 'inference-header-content-length': null },
    },
  ),
  binary(
    'takes a raw body',
    {
      path: '/v2/models/raw-FP32/infer',
      headers: { 'inference-header-content-length': '0' },
      body: floats(1, 2, 3),
    },
    {
      ...isBinary(1, 2, 3),
      json: { outputs: [{ name: 'y', shape: [3] }] },
    },
  ),
  binary(
    'takes text in a raw body',
    {
      path: '/v2/models/raw-text/infer',
      headers: { 'inference-header-content-length': '0' },
      body: Buffer.from('käse'),
    },
    {
      json: { outputs: [{ name: 'y', datatype: 'BYTES', shape: [1] }] },
      check: ({ bytes, headers }) =>
        expect(bytes.subarray(Number(headers['inference-header-content-length']))).toEqual(
          Buffer.from('\x05\0\0\0k\xc3\xa4se', 'latin1'),
        ),
    },
  ),
  binary(
    'gives classes in binary',
    {
      path: '/v2/models/two%20words/infer',
      body: {
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3], data: [0, 1, 0.5] }],
        outputs: [{ name: 'y', parameters: { classification: 1, binary_data: true } }],
      },
    },
    {
      json: {
        outputs: [{ name: 'y', datatype: 'BYTES', shape: [1, 1], parameters: { binary_data_size: 14 } }],
      },
      check: ({ bytes }) => expect(bytes.subarray(-10).toString()).toBe('1.000000:1'),
    },
  ),
  binary(
    'gives outputs no parameters but their size',
    binaryBody(
      {
        inputs: binaryInputs,
        outputs: [{ name: 'sum', parameters: { binary_data: true } }, { name: 'difference' }],
      },
      ...twoTensors,
    ),
    {
      check: ({ json }) => {
        const { outputs } = json as { outputs: { parameters?: object }[] };
        expect(outputs.map(({ parameters }) => parameters)).toEqual([{ binary_data_size: 8 }, undefined]);
      },
    },
  ),
  binary('reads gzip', encoded('gzip', gzipSync), { json: { outputs: [sum, difference] } }),
  binary('reads deflate', encoded('deflate', deflateSync), { json: { outputs: [sum, difference] } }),
  binary('writes gzip', askFor('gzip'), {
    answers: { 'content-encoding': 'gzip' },
    json: { outputs: [{ shape: [1_000, 2] }, {}] },
  }),
  binary('writes deflate', askFor('deflate'), {
    answers: { 'content-encoding': 'deflate' },
    json: { outputs: [{ shape: [1_000, 2] }, {}] },
  }),
  binary('does not compress unasked', askFor('identity'), { answers: { 'content-encoding': null } }),
];

const bad = (title: string, body: Case['body'], error: RegExp, rest: Partial<Case> = {}): Case => ({
  ...infer(body),
  title: `refuses ${title}`,
  status: 400,
  error,
  ...rest,
});
const badBinary = (title: string, header: object, error: RegExp, ...tensors: Buffer[]): Case =>
  bad(title, undefined, error, binaryBody(header, ...tensors));
const withLength = (length: string): Partial<Case> => ({
  headers: { 'inference-header-content-length': length },
});
const deep = (levels: number): string => `${'['.repeat(levels)}1${']'.repeat(levels)}`;
const half = (data: unknown): Case['body'] => ({
  inputs: [{ name: 'x', datatype: 'FP16', shape: [1], data }],
});

export const refusalCases: readonly Case[] = [
  bad('no body', undefined, /./),
  bad('no JSON', '{"inputs":', /./),
  bad('a list', '[]', /./),
  bad('no inputs', {}, /inputs/),
  bad('inputs that are no list', { inputs: {} }, /inputs/),
  bad('a missing input', { inputs: [a] }, /b/),
  bad('an unknown input', { inputs: [a, b, tensor('c', [1, 2])] }, /c/),
  bad('an input twice', { inputs: [a, a, b] }, /a/),
  bad('an unknown output', { inputs, outputs: [{ name: 'product' }] }, /product/),
  bad('an output twice', { inputs, outputs: [{ name: 'sum' }, { name: 'sum' }] }, /sum/),
  bad('a wrong datatype', { inputs: [a, { ...b, datatype: 'INT64' }] }, /b.*(?:FP32|INT64)/s),
  bad('an unknown datatype', { inputs: [a, { ...b, datatype: 'FP31' }] }, /FP31|datatype/),
  bad('a wrong shape', { inputs: [a, tensor('b', [1, 2, 3], [1, 3])] }, /b/),
  bad('a wrong rank', { inputs: [a, tensor('b', [1, 2], [2])] }, /b/),
  bad('a negative dimension', { inputs: [a, tensor('b', [1, 2], [-1, 2])] }, /b/),
  bad('a fractional dimension', { inputs: [a, tensor('b', [1, 2], [1.5, 2])] }, /shape|b/),
  bad(
    'a product of dimensions beyond all numbers',
    { inputs: [a, tensor('b', [1, 2], [9_007_199_254_740_991, 2])] },
    /./,
  ),
  bad('too few elements', { inputs: [a, tensor('b', [1])] }, /b/),
  bad('too many elements', { inputs: [a, tensor('b', [1, 2, 3])] }, /b/),
  bad('text for numbers', { inputs: [a, tensor('b', ['x', 'y'])] }, /b/),
  bad('null for numbers', { inputs: [a, tensor('b', [null, 1])] }, /b/),
  bad('no data', { inputs: [a, { name: 'b', datatype: 'FP32', shape: [1, 2] }] }, /b/),
  bad(
    'deep nesting',
    `{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":${deep(101)}}]}`,
    /deep|nest|depth|level/i,
  ),
  bad('endless nesting', `{"inputs":${deep(200_000)}}`, /./),
  bad(
    'invalid UTF-8',
    Buffer.concat([
      Buffer.from('{"id":"'),
      Buffer.from([0xff, 0xc3]),
      Buffer.from(`","inputs":${JSON.stringify(inputs)}}`),
    ]),
    /UTF-8/i,
  ),
  bad('FP16 in JSON', half([1]), /FP16.*JSON|JSON.*FP16/s, { path: '/v2/models/raw-FP16/infer' }),
  bad('parameters of Triton’s own', { parameters: { triton_x: 1 }, inputs }, /triton_/),
  bad('a parameter that is a list', { parameters: { priority: [1] }, inputs }, /priority/),
  bad('an id that is no text', { id: 7, inputs }, /id/),
  bad(
    'shared memory',
    { inputs: [{ ...a, data: undefined, parameters: { shared_memory_region: 'x' } }, b] },
    /shared memory/,
  ),
  bad(
    'classes of text',
    {
      inputs: [{ name: 'x', datatype: 'BYTES', shape: [1], data: ['a'] }],
      outputs: [{ name: 'y', parameters: { classification: 1 } }],
    },
    /y/,
    { path: '/v2/models/raw-BYTES/infer' },
  ),
  bad('a timeout that is no number', { parameters: { timeout: 'soon' }, inputs }, /timeout/),
  badBinary('truncated tensors', { inputs: binaryInputs }, /./, floats(1, 2), floats(10)),
  badBinary('left-over bytes', { inputs: binaryInputs }, /./, ...twoTensors, floats(1)),
  badBinary(
    'a size that lies',
    { inputs: [binaryTensor('a', 4), binaryTensor('b', 12)] },
    /a/,
    ...twoTensors,
  ),
  badBinary(
    'a negative size',
    { inputs: [binaryTensor('a', -8), binaryTensor('b', 8)] },
    /a|size/,
    ...twoTensors,
  ),
  badBinary(
    'data in both places',
    { inputs: [{ ...a, parameters: { binary_data_size: 8 } }, binaryTensor('b', 8)] },
    /a/,
    ...twoTensors,
  ),
  ...['-1', '99999', 'x', '1.5', ''].map((length) =>
    bad(`the header length "${length}"`, { inputs }, /./, withLength(length)),
  ),
  bad('a raw body for two inputs', floats(1, 2), /./, withLength('0')),
  bad('a raw body of a broken size', Buffer.from([1, 2, 3]), /./, {
    ...withLength('0'),
    path: '/v2/models/raw-FP32/infer',
  }),
  bad('a damaged gzip body', gzipSync('{}').subarray(0, 12), /./, {
    headers: { 'content-encoding': 'gzip' },
  }),
  bad('another encoding', '{}', /zstd/, { headers: { 'content-encoding': 'zstd' }, status: 415 }),
  bad('a gzip bomb', gzipSync(Buffer.alloc(80_000_000, ' ')), /./, {
    headers: { 'content-encoding': 'gzip' },
    status: 413,
  }),
  bad('a body that is too large', Buffer.alloc(67_108_865, ' '), /./, { status: 413 }),
  bad('another model', { inputs }, /other/, { path: '/v2/models/other/infer', status: 404 }),
  bad('another version', { inputs }, /7/, { path: '/v2/models/pair/versions/7/infer', status: 404 }),
  bad('a body without a token', { inputs }, /./, { headers: { authorization: '' }, status: 401 }),
];
