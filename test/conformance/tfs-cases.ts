/** TensorFlow Serving's REST protocol and KServe v1, request by request. */
import { expect } from 'vitest';
import type { Case } from './cases.js';

const predict = (
  title: string,
  body: Case['body'],
  json: object | undefined,
  rest: Partial<Case> = {},
): Case => ({
  title,
  method: 'POST',
  path: '/v1/models/raw-FP32:predict',
  body,
  status: 200,
  json,
  ...rest,
});
const pair = { path: '/v1/models/pair:predict' };
const bytes = { path: '/v1/models/raw-BYTES:predict' };
const refused = (title: string, body: Case['body'], error: RegExp, rest: Partial<Case> = {}): Case =>
  predict(`refuses ${title}`, body, undefined, { status: 400, error, ...rest });
const get = (title: string, path: string, rest: Partial<Case> = {}): Case => ({
  title,
  method: 'GET',
  path,
  status: 200,
  ...rest,
});
const available = (version: string) => ({
  version,
  state: 'AVAILABLE',
  status: { error_code: 'OK', error_message: '' },
});
const text = Buffer.from('käse').toString('base64');

export const predictCases: readonly Case[] = [
  predict('takes rows', { instances: [1, 2, 3] }, { predictions: [1, 2, 3] }),
  predict('takes a column', { inputs: [1, 2, 3] }, { outputs: [1, 2, 3] }),
  predict('takes a column by name', { inputs: { x: [1, 2] } }, { outputs: [1, 2] }),
  predict('takes rows by name', { instances: [{ x: 1 }, { x: 2 }] }, { predictions: [1, 2] }),
  predict(
    'takes the default signature',
    { signature_name: 'serving_default', instances: [1] },
    { predictions: [1] },
  ),
  predict(
    'takes rows of several inputs',
    {
      instances: [
        { a: [1, 2], b: [10, 20] },
        { a: [0, 0], b: [1, 1] },
      ],
    },
    {
      predictions: [
        { sum: [11, 22], difference: [-9, -18] },
        { sum: [1, 1], difference: [-1, -1] },
      ],
    },
    pair,
  ),
  predict(
    'takes columns of several inputs',
    { inputs: { a: [[1, 2]], b: [[10, 20]] } },
    { outputs: { sum: [[11, 22]], difference: [[-9, -18]] } },
    pair,
  ),
  predict(
    'takes bytes in base64',
    { instances: [{ b64: text }, 'x'] },
    { predictions: ['käse', 'x'] },
    bytes,
  ),
  predict(
    'gives bytes in base64 where the output’s name says so',
    { instances: [{ b64: text }] },
    { predictions: [{ b64: text }] },
    { path: '/v1/models/bytes:predict' },
  ),
  predict('keeps integers of 64 bits', '{"inputs":[9223372036854775807,-9007199254740993]}', undefined, {
    path: '/v1/models/exact:predict',
    check: ({ bytes: body }) =>
      expect(body.toString()).toBe('{"outputs":[9223372036854775807,-9007199254740993]}'),
  }),
  predict(
    'answers for a version',
    { instances: [1] },
    { predictions: [1] },
    { path: '/v1/models/raw-FP32/versions/1:predict' },
  ),
  ...['org%2Fteam%2Fpair', 'org/team/pair', 'org/team/pair/versions/1'].map((name) =>
    predict(
      `answers for ${name}`,
      { inputs: { a: [[1, 2]], b: [[10, 20]] } },
      { outputs: { sum: [[11, 22]] } },
      { path: `/v1/models/${name}:predict` },
    ),
  ),
  predict(
    'does not mind case and query',
    { instances: [1] },
    { predictions: [1] },
    { path: '/V1/Models/raw-FP32:Predict?x=1' },
  ),
  predict(
    'answers for a label',
    { inputs: { a: [[1, 2]], b: [[10, 20]] } },
    { outputs: { sum: [[11, 22]] } },
    {
      path: '/v1/models/pair/labels/canary:predict',
    },
  ),
  predict('knows the tokens NaN and Infinity', '{"instances":[NaN,Infinity,-Infinity]}', undefined, {
    check: ({ bytes: body }) =>
      expect(body.toString().replaceAll(/\s/g, '')).toBe('{"predictions":[NaN,Infinity,-Infinity]}'),
  }),
  refused('no body', undefined, /./),
  refused('neither form', {}, /instances|inputs/),
  refused('both forms', { instances: [1], inputs: [1] }, /instances|inputs/),
  refused('broken JSON', '{"instances":', /./),
  refused('rows that do not fit', { instances: [[1], [2, 3]] }, /./),
  refused('a missing input', { instances: [{ a: [1, 2] }] }, /b/, pair),
  refused('an unknown input', { inputs: { a: [[1, 2]], b: [[1, 2]], c: [[1, 2]] } }, /c/, pair),
  refused('another signature', { signature_name: 'other', instances: [1] }, /other/),
  refused('another model', { instances: [1] }, /^Servable not found for request: Latest\(other\)$/, {
    path: '/v1/models/other:predict',
    status: 404,
  }),
  refused(
    'another version',
    { instances: [1] },
    /^Servable not found for request: Specific\(raw-FP32, 9\)$/,
    {
      path: '/v1/models/raw-FP32/versions/9:predict',
      status: 404,
    },
  ),
  refused('another label', { instances: [1] }, /^Unrecognized servable version label: none$/, {
    path: '/v1/models/raw-FP32/labels/none:predict',
  }),
  refused('a label of digits', { instances: [1] }, /^Unrecognized servable version label: 7$/, {
    path: '/v1/models/raw-FP32/labels/7:predict',
  }),
  ...['raw-FP32:explode', 'raw-FP32/versions/x:predict', 'raw-FP32/versions/1/labels/a:predict'].map((path) =>
    refused(`the path ${path}`, { instances: [1] }, /^Malformed request: POST \/v1\/models\//, {
      path: `/v1/models/${path}`,
    }),
  ),
  predict(
    'classifies examples',
    { examples: [{ x: [0.5, 0.25, 0.25] }, { x: [0, 1, 0] }] },
    {
      results: [
        [
          ['0', 0.5],
          ['1', 0.25],
          ['2', 0.25],
        ],
        [
          ['0', 0],
          ['1', 1],
          ['2', 0],
        ],
      ],
    },
    { path: '/v1/models/two%20words:classify' },
  ),
  predict(
    'gives each example a value by regression, with features that all of them share',
    { context: { x: [0.5] }, examples: [{}, { x: 2 }] },
    { results: [0.5, 2] },
    { path: '/v1/models/raw-FP32/versions/1:regress' },
  ),
  refused('regression of a model that gives no single value', { examples: [{ x: [1, 2, 3] }] }, /./, {
    path: '/v1/models/two%20words:regress',
  }),
  refused('classify of a model that takes no examples', { examples: [{ nothing: 1 }] }, /./, {
    path: '/v1/models/pair:classify',
  }),
  refused('GET', undefined, /./, { method: 'GET', status: 405, answers: { allow: 'POST' } }),
];

export const statusCases: readonly Case[] = [
  get('tells the states of all versions', '/v1/models/pair', {
    json: { model_version_status: expect.arrayContaining([available('1'), available('2')]) },
  }),
  get('tells the state of a version', '/v1/models/pair/versions/1', {
    json: { model_version_status: [available('1')] },
  }),
  get('tells the state of a label', '/v1/models/pair/labels/canary', {
    json: { model_version_status: [available('1')] },
  }),
  get('tells the state of a model with slashes in its name', '/v1/models/org/team/pair', {
    json: { name: 'org/team/pair', model_version_status: [available('1')] },
  }),
  get('does not know other models', '/v1/models/other', { status: 404, error: /./ }),
  get('does not know other versions', '/v1/models/pair/versions/9', { status: 404, error: /./ }),
  get('asks for the name of a model', '/v1/models/versions/1', {
    status: 400,
    error: /^Missing model name in request\.$/,
  }),
  get('does not know other labels', '/v1/models/pair/labels/none', { status: 400, error: /label: none/ }),
  get('describes signatures', '/v1/models/pair/versions/1/metadata', {
    json: {
      model_spec: { name: 'pair', signature_name: '', version: '1' },
      metadata: {
        signature_def: {
          signature_def: {
            serving_default: {
              inputs: {
                a: {
                  dtype: 'DT_FLOAT',
                  tensor_shape: {
                    dim: [
                      { size: '-1', name: '' },
                      { size: '2', name: '' },
                    ],
                    unknown_rank: false,
                  },
                },
              },
              outputs: { sum: { dtype: 'DT_FLOAT' } },
              method_name: 'tensorflow/serving/predict',
            },
          },
        },
      },
    },
  }),
  get('lists models for KServe', '/v1/models', { json: { models: expect.arrayContaining(['pair']) } }),
  get('says to KServe that a model is ready', '/v1/models/pair', { json: { name: 'pair', ready: true } }),
];
