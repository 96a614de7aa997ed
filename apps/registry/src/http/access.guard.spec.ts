import type { RouteSpec } from '#contracts/route';
import { describe, expect, it } from 'vitest';
import { authorize } from './access.guard.js';
import type { Caller } from './caller.js';

const route = (access: RouteSpec['access']): RouteSpec => ({
  method: 'GET',
  path: '/x',
  summary: '',
  access,
  status: 200,
});
const caller = (subject: string, ...scopes: string[]): Caller => ({
  subject,
  requestId: undefined,
  scopes,
  grants: [{ team: null, scopes }],
  clientId: undefined,
  person: undefined,
  nodeEpoch: undefined,
});
const outcome = (access: RouteSpec['access'], who: Caller | undefined, params = {}): string => {
  try {
    authorize(route(access), who, params);
    return 'passes';
  } catch (error) {
    return Reflect.get(error as object, 'code') as string;
  }
};

describe('authorize', () => {
  it.each([
    ['open', undefined, 'passes'],
    ['models:read', undefined, 'UNAUTHENTICATED'],
    ['authenticated', caller('client:a'), 'passes'],
    ['models:read', caller('client:a', 'models:read'), 'passes'],
    ['models:read', caller('client:a', 'models:write'), 'passes'],
    ['models:write', caller('client:a', 'models:read'), 'FORBIDDEN'],
    ['models:write', caller('client:a', 'admin'), 'passes'],
    ['gateway', caller('client:a', 'admin'), 'FORBIDDEN'],
    ['gateway', caller('gateway:g', 'gateway'), 'passes'],
    ['node', caller('node:n', 'node'), 'passes'],
    ['node', caller('gateway:g', 'gateway'), 'FORBIDDEN'],
  ] as const)('%s for %j: %s', (access, who, expected) => {
    expect(outcome(access, who)).toBe(expected);
  });

  it('holds a node to its own id', () => {
    expect(outcome('node', caller('node:n', 'node'), { node_id: 'n' })).toBe('passes');
    expect(outcome('node', caller('node:n', 'node'), { node_id: 'm' })).toBe('FORBIDDEN');
    expect(outcome('nodes:read', caller('client:a', 'nodes:read'), { node_id: 'm' })).toBe('passes');
  });
});
