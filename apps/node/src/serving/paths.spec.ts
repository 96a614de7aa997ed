import { describe, expect, it } from 'vitest';
import { methodsOf, parsePath, rememberingParser } from './paths.js';

describe('parsePath', () => {
  it.each([
    ['/v2/health/live', { kind: 'live' }],
    ['/v2/health/ready?x=1', { kind: 'ready' }],
    ['/v2', { kind: 'server' }],
    ['/v2/', { kind: 'server' }],
    ['/v2/models', { kind: 'models' }],
    ['/v2/models/stats', { kind: 'all-stats' }],
    ['/v2/models/m', { kind: 'model', model: 'm' }],
    ['/v2/models/a%20b%C3%A4/infer', { kind: 'infer', protocol: 'oip', model: 'a bä' }],
    ['/v2/models/a%2Fb/infer', { kind: 'infer', protocol: 'oip', model: 'a/b' }],
    [
      '/v2/models/m/versions/3/infer?test_1=1&test_2=2',
      { kind: 'infer', protocol: 'oip', model: 'm', version: 3 },
    ],
    ['/v2/models/m/versions/3', { kind: 'model', model: 'm', version: 3 }],
    ['/v2/models/m/versions/3/ready', { kind: 'model-ready', model: 'm', version: 3 }],
    ['/v2/models/m/versions/3/config', { kind: 'config', model: 'm', version: 3 }],
    ['/v2/models/m/stats', { kind: 'stats', model: 'm' }],
    ['/v2/models/versions/ready', { kind: 'model-ready', model: 'versions' }],
    [
      '/v2/models/m/versions/champion/infer',
      { kind: 'infer', protocol: 'oip', model: 'm', label: 'champion' },
    ],
    ['/v2/models/m/versions/0', { kind: 'model', model: 'm', label: '0' }],
    ['/v2/repository/index', { kind: 'index' }],
    ['/v2/repository/models/m/load', { kind: 'repository', action: 'load' }],
    ['/v2/repository/models/m/unload', { kind: 'repository', action: 'unload' }],
    ['/v2/models/a/b/infer', { kind: 'infer', protocol: 'oip', model: 'a/b' }],
    ['/v2/models/a/b/versions/2', { kind: 'model', model: 'a/b', version: 2 }],
    ['/v2/repository/models/a/b/load', { kind: 'repository', action: 'load' }],
    ['/v2/logging/more', { kind: 'unknown' }],
    ['/v2/models/%ff/infer', { kind: 'unknown' }],
    ['/v2/models/', { kind: 'unknown' }],
    ['/v2/models/m/infer/', { kind: 'unknown' }],
    ['/constructor', { kind: 'unknown' }],
    ['/', { kind: 'unknown' }],
  ])('%s', (url, target) => {
    expect(parsePath(url)).toEqual(target);
  });

  it.each([
    ['/v1/models', { kind: 'models' }],
    ['/v1/models/half:predict', { kind: 'infer', protocol: 'predict', model: 'half' }],
    ['/V1/Models/half:CLASSIFY', { kind: 'infer', protocol: 'classify', model: 'half' }],
    [
      '/v1/models/half/versions/012:regress',
      { kind: 'infer', protocol: 'regress', model: 'half', version: 12 },
    ],
    ['/v1/models/half', { kind: 'status', model: 'half' }],
    ['/v1/models/a/b:predict', { kind: 'infer', protocol: 'predict', model: 'a/b' }],
    ['/v1/models/a%2Fb/metadata', { kind: 'signatures', model: 'a/b' }],
    ['/v1/models/half/versions/3', { kind: 'status', model: 'half', version: 3 }],
    ['/v1/models/half/versions/3/metadata', { kind: 'signatures', model: 'half', version: 3 }],
    ['/v1/models/metadata', { kind: 'status', model: 'metadata' }],
    [
      '/v1/models/half/labels/canary:predict',
      { kind: 'infer', protocol: 'predict', model: 'half', label: 'canary' },
    ],
    ['/v1/models/versions/3', { kind: 'unnamed' }],
    ['/v1/models/labels/canary/metadata', { kind: 'unnamed' }],
    ['/v1/models/half:explain', { kind: 'malformed' }],
    ['/v1/models/half/versions/x:predict', { kind: 'malformed' }],
    ['/v1/models/%ff:predict', { kind: 'malformed' }],
    ['/v1/other', { kind: 'malformed' }],
  ])('%s', (url, target) => {
    expect(parsePath(url)).toEqual(target);
  });

  it.each([
    '/v2/trace/setting',
    '/v2/models/m/trace/setting',
    '/v2/models/m/versions/1/trace/setting',
    '/v2/models/a/b/trace/setting',
    '/v2/logging',
    '/v2/systemsharedmemory/status',
    '/v2/cudasharedmemory/region/r/register',
  ])('%s is Triton’s and not supported', (url) => {
    expect(parsePath(url)).toEqual({ kind: 'unsupported', detail: expect.stringMatching(/not supported/) });
  });

  it('knows the methods of an address', () => {
    expect(methodsOf('infer')).toEqual(['POST']);
    expect(methodsOf('stats')).toEqual(['GET', 'HEAD']);
    expect(methodsOf('malformed')).toBeUndefined();
  });

  it('gives the same with a memory, beyond its bound', () => {
    const parse = rememberingParser();
    for (let round = 0; round < 2; round += 1)
      for (let i = 0; i < 1_500; i += 1)
        expect(parse(`/v2/models/m${i}/infer`)).toEqual({ kind: 'infer', protocol: 'oip', model: `m${i}` });
  });
});
