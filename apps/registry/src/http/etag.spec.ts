import { describe, expect, it } from 'vitest';
import { etagOf, parseIfMatch, requireRevision } from './etag.js';

describe('If-Match', () => {
  it.each([
    ['"3"', [3]],
    ['"3", "4"', [3, 4]],
    ['*', 'any'],
    ['W/"3"', []],
    ['W/"3", "5"', [5]],
    ['3', []],
    ['"three"', []],
  ])('%s is %j', (header, expected) => {
    expect(parseIfMatch(header)).toEqual(expected);
  });

  it.each([undefined, '', '  '])('is needed: %j', (header) => {
    expect(() => parseIfMatch(header)).toThrow('PRECONDITION_REQUIRED');
  });

  it('lets a change pass only at the revision that was read', () => {
    expect(() => requireRevision(parseIfMatch(etagOf(7)), 7)).not.toThrow();
    expect(() => requireRevision('any', 7)).not.toThrow();
    expect(() => requireRevision(parseIfMatch(etagOf(6)), 7)).toThrow('PRECONDITION_FAILED');
    expect(() => requireRevision([], 7)).toThrow('PRECONDITION_FAILED');
  });
});
