import { describe, expect, it } from 'vitest';
import { mayIn, notCovered, teamsWith } from './team-access.js';
import type { Access } from './team-access.js';

const red: Access = {
  scopes: ['clients:write', 'infer', 'models:read'],
  grants: [{ team: 'red', scopes: ['clients:write', 'infer', 'models:read'] }],
};
const all: Access = { scopes: ['admin'], grants: [{ team: null, scopes: ['admin'] }] };

describe('team access', () => {
  it('holds in the team of the grant, or everywhere', () => {
    expect([
      mayIn(red, 'red', 'clients:write'),
      mayIn(red, 'blue', 'clients:write'),
      mayIn(red, null, 'clients:write'),
    ]).toEqual([true, false, false]);
    expect([mayIn(all, 'red', 'quotas:write'), mayIn(all, null, 'quotas:write')]).toEqual([true, true]);
  });

  it('never reaches beyond the scopes of the token', () => {
    expect(mayIn({ ...red, scopes: ['infer'] }, 'red', 'clients:write')).toBe(false);
    expect(mayIn({ ...all, scopes: ['models:read'] }, 'red', 'clients:read')).toBe(false);
  });

  it('lists the teams', () => {
    expect(teamsWith(red, 'clients:read')).toEqual(['red']);
    expect(teamsWith(red, 'quotas:read')).toEqual([]);
    expect(teamsWith(all, 'clients:read')).toBeUndefined();
  });

  it('gives away to a client no more than there is, and nothing that reaches beyond the team', () => {
    expect(notCovered(red, 'red', ['infer', 'infer:iris', 'models:read'])).toEqual([]);
    expect(notCovered(red, 'red', ['models:write', 'clients:read', 'admin'])).toEqual([
      'models:write',
      'clients:read',
      'admin',
    ]);
    expect(notCovered(red, 'blue', ['infer'])).toEqual(['infer']);
    expect(notCovered(all, 'blue', ['clients:write', 'admin', 'infer'])).toEqual([]);
  });
});
