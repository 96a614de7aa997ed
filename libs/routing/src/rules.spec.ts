import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TrafficRule } from '#contracts/endpoints';
import { compileRule, holds } from './rules.js';
import type { Attributes } from './rules.js';

const rule = (wishes: unknown) => compileRule(TrafficRule.parse(wishes), 0, 'target');
const attributes = (wishes: Partial<Attributes>): Attributes => ({ headers: {}, claims: {}, ...wishes });

describe('a rule', () => {
  it('with several matches holds when all of them do', () => {
    const both = rule({
      match: [
        { header: 'X-Beta', value: 'yes' },
        { claim: 'team', value: 'search' },
      ],
      version: 2,
    });
    const headers = { 'x-beta': 'yes' };
    const claims = { team: 'search' };
    expect(holds(both, attributes({ headers, claims }))).toBe(true);
    expect(holds(both, attributes({ headers }))).toBe(false);
    expect(holds(both, attributes({ claims }))).toBe(false);
  });

  it('of one header is the same as a list with that one match', () => {
    const match = { header: 'x-beta', value: 'yes' };
    expect(rule({ ...match, version: 2 })).toEqual(rule({ match: [match], version: 2 }));
  });

  it('finds a claim as text, as a number or flag, and in a list; never in what claims inherit', () => {
    const of = (claim: string, value: string) => rule({ match: [{ claim, value }], version: 1 });
    const claims = { tier: 3, staff: true, groups: ['ml', 'web'], nested: [['ml']], profile: { tier: 3 } };
    expect(holds(of('tier', '3'), attributes({ claims }))).toBe(true);
    expect(holds(of('staff', 'true'), attributes({ claims }))).toBe(true);
    expect(holds(of('groups', 'web'), attributes({ claims }))).toBe(true);
    expect(holds(of('groups', 'ml,web'), attributes({ claims }))).toBe(false);
    expect(holds(of('nested', 'ml'), attributes({ claims }))).toBe(false);
    expect(holds(of('profile', '[object Object]'), attributes({ claims }))).toBe(false);
    expect(holds(of('constructor', 'Object'), attributes({ claims }))).toBe(false);
  });

  it('holds for as long as no match is added that does not', () => {
    const names = fc.constantFrom('a', 'b', 'c', 'd');
    const values = fc.constantFrom('1', '2');
    const matches = fc.array(fc.record({ header: names, value: values }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(matches, fc.dictionary(names, values), (match, headers) => {
        const expected = match.every(({ header, value }) => headers[header] === value);
        expect(holds(rule({ match, version: 1 }), attributes({ headers }))).toBe(expected);
      }),
    );
  });
});
