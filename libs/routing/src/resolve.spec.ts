import { describe, expect, it } from 'vitest';
import { Traffic } from '#contracts/endpoints';
import type { z } from 'zod';
import { compileRoutes, resolve } from './resolve.js';
import type { EndpointRoutes, ResolveInput, RoutableVersion } from './resolve.js';

const versions = (ready: Readonly<Record<number, boolean>>): Map<number, RoutableVersion> =>
  new Map(
    Object.entries(ready).map(([version, isReady]) => [
      Number(version),
      { version: Number(version), ready: isReady },
    ]),
  );

const routesOf = (
  traffic: z.input<typeof Traffic>,
  ready: Readonly<Record<number, boolean>>,
  aliases: Record<string, number> = {},
): EndpointRoutes<RoutableVersion> => compileRoutes('iris', Traffic.parse(traffic), versions(ready), aliases);

const request = (input: Partial<ResolveInput> = {}): ResolveInput => ({
  pin: undefined,
  headers: {},
  claims: {},
  ...input,
});

const answer = (routes: EndpointRoutes<RoutableVersion>, input: ResolveInput, roll = 0): string => {
  const { target, why } = resolve(routes, input, () => roll);
  return target ? `${target.version} ${why}` : why;
};

describe('resolve', () => {
  const traffic = {
    rules: [
      { header: 'X-Beta', value: 'yes', version: 'next' },
      { header: 'x-beta', value: 'yes', version: 1 },
    ],
    split: [
      { version: 1, weight: 90 },
      { version: 2, weight: 10 },
    ],
  };

  it('tries rules in order, then the pin, then the split', () => {
    const routes = routesOf(traffic, { 1: true, 2: true, 3: true }, { next: 3 });
    expect(answer(routes, request({ headers: { 'x-beta': 'yes' }, pin: '2' }))).toBe('3 rule');
    expect(answer(routes, request({ headers: { 'x-beta': 'no' }, pin: '2' }))).toBe('2 pin');
    expect(answer(routes, request({ pin: 'next' }))).toBe('3 pin');
    expect(answer(routes, request(), 0.89)).toBe('1 split');
    expect(answer(routes, request(), 0.91)).toBe('2 split');
  });

  it('skips what has no READY replica and says what it skipped', () => {
    const routes = routesOf(traffic, { 1: true, 2: false, 3: false }, { next: 3 });
    expect(answer(routes, request({ headers: { 'x-beta': 'yes' } }))).toBe('1 rule');
    expect(answer(routes, request(), 0.99)).toBe('1 split');
    expect(routes.gated).toEqual(['next', 2]);
    expect(answer(routes, request({ pin: '2' }))).toBe('NO_READY_REPLICA');
  });

  it('shadows only to what is READY, and says so when it is not', () => {
    const shadow = { version: 'next', share: 0.25 };
    const at = (ready: Record<number, boolean>) => routesOf({ ...traffic, shadow }, ready, { next: 3 });
    const all = { 1: true, 2: true, 3: true };
    expect(at(all).shadow).toEqual({ target: { version: 3, ready: true }, share: 0.25 });
    expect(at({ ...all, 3: false })).toMatchObject({ shadow: undefined, gated: ['next'] });
    expect(routesOf(traffic, all).shadow).toBeUndefined();
    expect(answer(routesOf({ split: [], shadow }, { 3: false }, { next: 3 }), request())).toBe('NO_TRAFFIC');
  });

  it('tells apart what is missing', () => {
    const routes = routesOf(traffic, { 1: false });
    expect(answer(routes, request())).toBe('NO_READY_REPLICA');
    expect(answer(routes, request({ pin: '7' }))).toBe('VERSION_NOT_FOUND');
    expect(answer(routes, request({ pin: 'champion' }))).toBe('ALIAS_NOT_FOUND');
    expect(answer(routes, request({ pin: 'constructor' }))).toBe('ALIAS_NOT_FOUND');
    expect(answer(routesOf({ split: [] }, { 1: true }), request())).toBe('NO_TRAFFIC');
  });

  it('keeps callers with a sticky key on one version, and draws the others', () => {
    const split = [
      { version: 1, weight: 1 },
      { version: 2, weight: 1 },
    ];
    const byHeader = routesOf({ split, sticky: { by: 'header', name: 'X-User' } }, { 1: true, 2: true });
    const byClaim = routesOf({ split, sticky: { by: 'claim', name: 'sub' } }, { 1: true, 2: true });
    for (let user = 0; user < 50; user++) {
      const headers = { 'x-user': `u${user}` };
      const first = answer(byHeader, request({ headers }), 0);
      expect(first).toMatch(/sticky$/);
      expect(answer(byHeader, request({ headers }), 0.99)).toBe(first);
      expect(answer(byClaim, request({ claims: { sub: `u${user}` } }))).toBe(first);
    }
    expect(answer(byHeader, request(), 0.99)).toBe('2 split');
    expect(answer(byClaim, request({ claims: { sub: ['a'] } }), 0.99)).toBe('2 split');
  });
});
