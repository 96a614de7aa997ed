import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelName } from './common.js';
import { parseModelPath, parseRepositoryPath, parseServablePath } from './model-path.js';

/** Names as anybody might choose them, words of the protocol and text that looks like encoding among them. */
const segment = fc.oneof(
  fc.constantFrom('versions', 'infer', 'labels', 'stats', 'metadata', 'load', '%2F', '%', '7', 'ä b', '...'),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
);
const modelName = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('/'))
  .filter((name) => ModelName.safeParse(name).success);
const calls = ['ready', 'infer', 'config', 'stats'] as const;
const verbs = ['predict', 'classify', 'regress'] as const;
const version = fc.option(fc.integer({ min: 1, max: 2 ** 31 - 1 }).map(String), { nil: undefined });
const optional = <T>(values: readonly T[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
const under = (pin: string | undefined): string => (pin === undefined ? '' : `/versions/${pin}`);

describe('a percent-encoded name', () => {
  it('is found in every path of the Open Inference Protocol, whatever it holds', () => {
    fc.assert(
      fc.property(modelName, version, optional(calls), (model, pin, call) => {
        const path = `/v2/models/${encodeURIComponent(model)}${under(pin)}${call ? `/${call}` : ''}`;
        expect(parseModelPath(path)).toEqual({ model, pin, call });
      }),
    );
  });
  it('is found in every path of TensorFlow Serving, and in Triton’s repository', () => {
    fc.assert(
      fc.property(modelName, version, optional(verbs), (model, number, call) => {
        const encoded = encodeURIComponent(model);
        const path = `/v1/models/${encoded}${under(number)}${call ? `:${call}` : ''}`;
        expect(parseServablePath(path)).toEqual({ model, version: number, label: undefined, call });
        expect(parseRepositoryPath(`/v2/repository/models/${encoded}/load`)).toEqual({
          model,
          action: 'load',
        });
      }),
    );
  });
});

describe('a name as it is', () => {
  it.each([
    ['/v2/models/org/name/infer', { model: 'org/name', pin: undefined, call: 'infer' }],
    ['/v2/models/org/name', { model: 'org/name', pin: undefined, call: undefined }],
    ['/v2/models/a/b%20c/d/versions/champion/stats', { model: 'a/b c/d', pin: 'champion', call: 'stats' }],
    ['/v2/models/a/b%2Finfer/infer', { model: 'a/b/infer', pin: undefined, call: 'infer' }],
    ['/v2/models/infer', { model: 'infer', pin: undefined, call: undefined }],
    ['/v2/models/versions/versions/2', { model: 'versions', pin: '2', call: undefined }],
  ])('%s', (path, found) => expect(parseModelPath(path)).toEqual(found));

  it.each([
    ['/v1/models/org/name:predict', { model: 'org/name', call: 'predict' }],
    ['/v1/models/org/name/versions/007:CLASSIFY', { model: 'org/name', version: '7', call: 'classify' }],
    [
      '/V1/Models/org/name/labels/c%61nary/metadata',
      { model: 'org/name', label: 'canary', call: 'metadata' },
    ],
    ['/v1/models/org/name', { model: 'org/name' }],
  ])('%s', (path, found) => expect(parseServablePath(path)).toMatchObject(found));

  it.each([
    '/v2/models/a/infer/b',
    '/v2/models/a/versions/1/b',
    '/v2/models/a/trace/setting',
    '/v2/models/a/generate',
    '/v2/models//infer',
    '/v2/models/a//b/infer',
    '/v2/models/a/infer/',
    '/v2/models/%zz/infer',
    '/v2/models/',
    '/v2/other/a',
  ])('%s is no path of a model', (path) => expect(parseModelPath(path)).toBeUndefined());

  it.each([
    '/v1/models/a/versions/x:predict',
    '/v1/models/a:explain',
    '/v1/models//b',
    '/v1/models/%:predict',
  ])('%s is no path of a servable', (path) => expect(parseServablePath(path)).toBeUndefined());
});
