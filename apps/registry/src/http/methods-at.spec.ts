import { describe, expect, it } from 'vitest';
import { methodsAt } from './methods-at.js';

describe('methodsAt', () => {
  it('lists what the table has for a path', () => {
    expect(methodsAt('/api/v1/models')).toEqual(['GET', 'HEAD', 'POST']);
    expect(methodsAt('/api/v1/models/a%20b/versions/1/unload')).toEqual(['POST']);
    expect(methodsAt('/.well-known/jwks.json')).toEqual(['GET', 'HEAD']);
  });

  it('lists nothing for a path that is not in it', () => {
    expect(methodsAt('/api/v1/model')).toEqual([]);
    expect(methodsAt('/xwell-known/jwks.json')).toEqual([]);
    expect(methodsAt('/api/v1/models/')).toEqual([]);
  });
});
