import { ClaimMapping } from '#contracts/issuers';
import { describe, expect, it } from 'vitest';
import { mapClaims } from './claim-mapping.js';

const claims = {
  sub: 'repo:acme/churn:ref:refs/heads/main',
  repository: 'acme/churn',
  scope: 'predict browse admin',
  groups: ['ml', 'everyone'],
  realm_access: { roles: ['predictor'] },
  'https://acme.example/team': 'risk',
  nothing: '',
  several: ['a', 'b'],
};
const map = (mapping: object) =>
  mapClaims(ClaimMapping.parse({ scopes: { value: ['infer'] }, ...mapping }), 'acme', claims);

describe('mapClaims', () => {
  it('puts a client that a claim names behind the name of the issuer', () => {
    expect(map({})).toEqual({ clientId: `acme:${claims.sub}`, team: 'default', scopes: ['infer'] });
    expect(map({ client: { claim: 'repository' } }).clientId).toBe('acme:acme/churn');
  });

  it('takes a client of ours only from what an admin wrote', () => {
    expect(map({ client: { value: 'ci' } }).clientId).toBe('ci');
    expect(map({ client: { claim: 'repository', map: { 'acme/churn': 'churn-ci' } } }).clientId).toBe(
      'churn-ci',
    );
  });

  it('reads words of a text, entries of a list, and nested claims', () => {
    const scopes = (claim: string, table: object) => map({ scopes: { claim, map: table } }).scopes;
    expect(scopes('scope', { predict: ['infer'], browse: ['models:read', 'infer'] })).toEqual([
      'infer',
      'models:read',
    ]);
    expect(scopes('groups', { ml: ['models:write'] })).toEqual(['models:write']);
    expect(scopes('realm_access.roles', { predictor: ['infer:churn'] })).toEqual(['infer:churn']);
    expect(map({ team: { claim: 'https://acme.example/team' } }).team).toBe('risk');
  });

  it('gives nothing for words that are not mapped, whatever they say', () => {
    expect(map({ scopes: { claim: 'scope', map: {} } }).scopes).toEqual([]);
    for (const word of ['constructor', '__proto__', 'toString'])
      expect(
        mapClaims(ClaimMapping.parse({ scopes: { claim: 'w', map: {} } }), 'acme', { sub: 'a', w: word })
          .scopes,
      ).toEqual([]);
  });

  it.each([
    ['missing', { client: { claim: 'azp' } }],
    ['empty', { client: { claim: 'nothing' } }],
    ['several', { client: { claim: 'several' } }],
    ['no text', { client: { claim: 'realm_access' } }],
    ['inherited', { client: { claim: 'constructor' } }],
    ['not mapped', { client: { claim: 'repository', map: { 'acme/other': 'ci' } } }],
    ['not mapped to a team', { team: { claim: 'repository', map: {} } }],
  ])('refuses a token whose client or team is %s', (_, mapping) => {
    expect(() => map(mapping)).toThrow('the claim');
  });
});
