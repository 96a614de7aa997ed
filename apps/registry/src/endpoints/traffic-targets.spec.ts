import { describe, expect, it } from 'vitest';
import { noTraffic } from '#contracts/endpoints';
import { requireServable, targetsOf } from './traffic-targets.js';
import type { TargetVersion } from './traffic-targets.js';

const version = (number: number, change: Partial<TargetVersion> = {}): [number, TargetVersion] => [
  number,
  { number, status: 'READY', status_reason: null, archived_at: null, ...change },
];

describe('targetsOf', () => {
  it('names each reference once, rules first, and tells a number from an alias', () => {
    const rule = { header: 'x', value: 'y', version: 2 };
    const split = [1, 'best', 2].map((target) => ({ version: target, weight: 0 }));
    const shadow = { version: 3, share: 0.1 };
    expect(targetsOf({ ...noTraffic, rules: [rule, rule], split, shadow })).toEqual([2, 1, 'best', 3]);
  });
});

describe('requireServable', () => {
  const versions = new Map([
    version(1),
    version(2, { status: 'PENDING' }),
    version(3, { status: 'FAILED', status_reason: 'no ONNX' }),
    version(4, { archived_at: new Date(0) }),
  ]);
  const aliases = new Map([
    ['best', 1],
    ['next', 2],
  ]);

  it('lets READY versions pass, by number and by alias', () => {
    expect(() => requireServable('iris', [1, 'best'], aliases, versions)).not.toThrow();
  });

  it.each([
    [2, 'VERSION_NOT_READY', 'not READY yet'],
    [3, 'VERSION_NOT_READY', 'no ONNX'],
    [4, 'VERSION_NOT_READY', 'archived'],
    [5, 'VERSION_NOT_FOUND', 'version 5'],
    ['next', 'VERSION_NOT_READY', 'Version 2'],
    ['none', 'ALIAS_NOT_FOUND', '"none"'],
  ])('refuses %s', (target, code, words) => {
    const check = (): void => requireServable('iris', [1, target], aliases, versions);
    expect(check).toThrow(
      expect.objectContaining({ code, detail: expect.stringContaining(words) as string }),
    );
  });
});
