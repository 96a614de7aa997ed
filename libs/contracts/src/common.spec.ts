import { describe, expect, it } from 'vitest';
import { AliasName, ModelName, Name, VersionNumberText } from './common.js';
import { VersionRef, Traffic } from './endpoints.js';
import { FilePath } from './models.js';

describe('Name', () => {
  it.each(['iris', 'a', 'fraud model v2', 'größe-✓', 'x'.repeat(255)])('takes %j', (name) => {
    expect(Name.parse(name)).toBe(name);
  });
  it.each(['', ' iris', 'iris ', 'a/b', 'a:b', '.', '..', 'a\nb', 'a\u0000', 'x'.repeat(256)])(
    'refuses %j',
    (name) => {
      expect(Name.safeParse(name).success).toBe(false);
    },
  );
});

describe('ModelName', () => {
  it.each(['iris', 'org/iris', 'a/b/c d/ä', '.../..a', `${'x'.repeat(127)}/${'y'.repeat(127)}`])(
    'takes %j',
    (name) => {
      expect(ModelName.parse(name)).toBe(name);
    },
  );
  it.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/../b',
    './a',
    'a/..',
    'a/ b',
    'a /b',
    'a:b/c',
    'a/b\n',
    'x/'.repeat(127) + 'xx',
  ])('refuses %j', (name) => {
    expect(ModelName.safeParse(name).success).toBe(false);
  });
});

describe('AliasName', () => {
  it.each(['latest', 'Latest', 'v1', 'V22', '3', 'a b', ''])(
    'refuses %j, which could be taken for something else',
    (alias) => {
      expect(AliasName.safeParse(alias).success).toBe(false);
    },
  );
  it('never overlaps with version numbers', () => {
    expect(VersionRef.parse(3)).toBe(3);
    expect(VersionRef.parse('champion')).toBe('champion');
    expect(VersionRef.safeParse('3').success).toBe(false);
  });
});

describe('VersionNumberText', () => {
  it.each(['0', '01', '-1', '1.0', '1e3', '99999999999', ''])('refuses %j', (text) => {
    expect(VersionNumberText.safeParse(text).success).toBe(false);
  });
  it('gives the number', () => expect(VersionNumberText.parse('12')).toBe(12));
});

describe('FilePath', () => {
  it.each(['/etc/passwd', '../x', 'a/../b', 'a//b', './a', 'a/', 'a\\b', 'a\u0000b', ''])(
    'refuses %j',
    (path) => {
      expect(FilePath.safeParse(path).success).toBe(false);
    },
  );
  it.each(['model.onnx', 'weights/part 1.bin', '.hidden', 'a..b'])('takes %j', (path) => {
    expect(FilePath.parse(path)).toBe(path);
  });
});

describe('Traffic', () => {
  it('refuses a version named twice and weights that are all zero', () => {
    const twice = {
      split: [
        { version: 1, weight: 1 },
        { version: 1, weight: 2 },
      ],
    };
    expect(Traffic.safeParse(twice).success).toBe(false);
    expect(Traffic.safeParse({ split: [{ version: 1, weight: 0 }] }).success).toBe(false);
    expect(Traffic.safeParse({ split: [{ version: 1, weight: Number.NaN }] }).success).toBe(false);
  });
  it('keeps header names in lower case, as HTTP compares them', () => {
    const traffic = Traffic.parse({ rules: [{ header: 'X-Cohort', value: 'B', version: 2 }], split: [] });
    expect(traffic.rules).toEqual([{ header: 'x-cohort', value: 'B', version: 2 }]);
    expect(traffic.sticky).toBeNull();
  });
});
