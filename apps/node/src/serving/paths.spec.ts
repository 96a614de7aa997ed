import { describe, expect, it } from 'vitest';
import { parsePath, rememberingParser } from './paths.js';

describe('parsePath', () => {
  it.each([
    ['/v2/health/live', { kind: 'live' }],
    ['/v2/health/ready?x=1', { kind: 'ready' }],
    ['/v2', { kind: 'server' }],
    ['/v2/', { kind: 'server' }],
    ['/v2/models/m', { kind: 'model', model: 'm' }],
    ['/v2/models/a%20b%C3%A4/infer', { kind: 'infer', model: 'a bä' }],
    ['/v2/models/m/versions/3/infer?test_1=1&test_2=2', { kind: 'infer', model: 'm', version: 3 }],
    ['/v2/models/m/versions/3', { kind: 'model', model: 'm', version: 3 }],
    ['/v2/models/m/versions/3/ready', { kind: 'model-ready', model: 'm', version: 3 }],
    ['/v2/models/versions/ready', { kind: 'model-ready', model: 'versions' }],
    ['/v2/models/m/versions/champion/infer', { kind: 'unknown-version', model: 'm', version: 'champion' }],
    ['/v2/models/m/versions/0', { kind: 'unknown-version', model: 'm', version: '0' }],
    ['/v2/models/%ff/infer', { kind: 'unknown' }],
    ['/v2/models/', { kind: 'unknown' }],
    ['/v2/models/m/infer/', { kind: 'unknown' }],
    ['/constructor', { kind: 'unknown' }],
    ['/', { kind: 'unknown' }],
  ])('%s', (url, target) => {
    expect(parsePath(url)).toEqual(target);
  });

  it('gives the same with a memory, beyond its bound', () => {
    const parse = rememberingParser();
    for (let round = 0; round < 2; round += 1)
      for (let i = 0; i < 1_500; i += 1)
        expect(parse(`/v2/models/m${i}/infer`)).toEqual({ kind: 'infer', model: `m${i}` });
  });
});
