import { describe, expect, it } from 'vitest';
import { parseRoute } from './routes.js';
import type { Operation } from './routes.js';

describe('parseRoute', () => {
  it.each<[string, string, string | undefined, Operation]>([
    ['/v2/models/iris', 'iris', undefined, 'metadata'],
    ['/v2/models/iris/infer?x=1', 'iris', undefined, 'infer'],
    ['/v2/models/a%2Fb%20c/ready', 'a/b c', undefined, 'ready'],
    ['/v2/models/a/b/infer', 'a/b', undefined, 'infer'],
    ['/v2/models/a/b/versions/champion/infer', 'a/b', 'champion', 'infer'],
    ['/v1/models/a/b/versions/2:predict', 'a/b', '2', 'predict'],
    ['/v2/models/iris/versions/3/config', 'iris', '3', 'config'],
    ['/v2/models/iris/versions/canary/stats', 'iris', 'canary', 'stats'],
    ['/v1/models/iris', 'iris', undefined, 'status'],
    ['/v1/models/iris/versions/2', 'iris', '2', 'status'],
    ['/v1/models/iris/versions/02:predict', 'iris', '2', 'predict'],
    ['/v1/models/iris/labels/canary:classify', 'iris', 'canary', 'classify'],
    ['/v1/models/iris:regress', 'iris', undefined, 'regress'],
    ['/V1/Models/Iris/Labels/a%62:PREDICT?q', 'Iris', 'ab', 'predict'],
    ['/v1/models/iris/metadata', 'iris', undefined, 'signatures'],
  ])('%s', (target, endpoint, pin, operation) => {
    expect(parseRoute(target)).toEqual({ kind: 'inference', route: { endpoint, pin, operation } });
  });

  it.each([
    ['/v2', 'server'],
    ['/v2/', 'server'],
    ['/v2/health/live?a', 'live'],
    ['/v2/models', 'models'],
    ['/v1/models', 'models'],
    ['/v2/models/stats', 'stats'],
    ['/v2/repository/index', 'index'],
    ['/v2/models/iris/infer/more', 'unknown'],
    ['/v2/models/%zz/infer', 'unknown'],
    ['/v2/models//infer', 'unknown'],
    ['/v2/toString', 'unknown'],
    ['/v20', 'registry'],
    ['/api/v1/models', 'registry'],
  ])('%s is %s', (target, kind) => {
    expect(parseRoute(target)).toEqual({ kind });
  });

  it.each([
    ['/v1/models/iris/labels/7:predict', 'Unrecognized servable version label: 7'],
    ['/v1/models/versions/7', 'Missing model name in request.'],
    ['/v1/models/iris/versions/x:predict', undefined],
    ['/v1/models/iris:explain', undefined],
    ['/v1/models/iris%zz:predict', undefined],
  ])('%s is malformed', (target, detail) => {
    expect(parseRoute(target)).toEqual({ kind: 'malformed', path: target, detail });
  });

  it('knows load and unload', () => {
    expect(parseRoute('/v2/repository/models/a%20b/unload')).toEqual({
      kind: 'repository',
      action: 'unload',
      endpoint: 'a b',
    });
  });
});
