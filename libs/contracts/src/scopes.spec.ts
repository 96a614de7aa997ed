import { describe, expect, it } from 'vitest';
import { GrantableScope, allows, allowsInference, scopes } from './scopes.js';

describe('allows', () => {
  it('lets admin do everything but what is for machines', () => {
    for (const scope of scopes)
      expect(allows(['admin'], scope)).toBe(scope !== 'node' && scope !== 'gateway');
  });
  it('lets a writer read the same thing and nothing else', () => {
    expect(allows(['models:write'], 'models:read')).toBe(true);
    expect(allows(['models:write'], 'runs:read')).toBe(false);
    expect(allows(['models:read'], 'models:write')).toBe(false);
  });
});

describe('allowsInference', () => {
  it('takes infer for all endpoints and infer:<endpoint> for one', () => {
    expect(allowsInference(['infer'], 'iris')).toBe(true);
    expect(allowsInference(['infer:iris'], 'iris')).toBe(true);
    expect(allowsInference(['infer:iris'], 'iris2')).toBe(false);
    expect(allowsInference(['models:write'], 'iris')).toBe(false);
  });
});

describe('GrantableScope', () => {
  it.each(['node', 'gateway', 'everything', 'infer:', 'infer:a b', ''])('refuses %j', (scope) => {
    expect(GrantableScope.safeParse(scope).success).toBe(false);
  });
  it.each(['admin', 'infer', 'infer:iris', 'models:read'])('takes %j', (scope) => {
    expect(GrantableScope.safeParse(scope).success).toBe(true);
  });
});
