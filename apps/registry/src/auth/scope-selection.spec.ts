import { describe, expect, it } from 'vitest';
import { covers, selectScopes } from './scope-selection.js';

describe('covers', () => {
  it.each([
    [['infer'], 'infer', true],
    [['infer'], 'infer:iris', true],
    [['infer:iris'], 'infer', false],
    [['infer:iris'], 'infer:iris', true],
    [['infer:iris'], 'infer:other', false],
    [['models:write'], 'models:read', true],
    [['models:read'], 'models:write', false],
    [['admin'], 'models:write', true],
    [['admin'], 'admin', true],
    [['admin'], 'node', false],
    [['admin'], 'gateway', false],
    [['clients:write'], 'admin', false],
    [['admin'], 'nonsense', false],
    [[], 'infer', false],
  ])('%j, %s: %s', (granted, wanted, expected) => {
    expect(covers(granted, wanted)).toBe(expected);
  });
});

describe('selectScopes', () => {
  it('gives all that the client has when it asks for nothing', () => {
    expect(selectScopes(['infer', 'models:read'], undefined)).toEqual(['infer', 'models:read']);
    expect(selectScopes(['infer'], '  ')).toEqual(['infer']);
  });

  it('gives what was asked for, once', () => {
    expect(selectScopes(['infer', 'models:write'], 'infer models:read infer')).toEqual([
      'infer',
      'models:read',
    ]);
  });

  it('gives nothing at all when one scope is refused', () => {
    expect(() => selectScopes(['infer'], 'infer admin')).toThrow('the client does not have admin');
  });
});
