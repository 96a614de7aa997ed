import { describe, expect, it } from 'vitest';
import { requestIdOf } from './request-id.js';

const idOf = (given?: string): string =>
  requestIdOf({ headers: given === undefined ? {} : { 'x-request-id': given } });

describe('requestIdOf', () => {
  it.each(['a', 'order-17', '01a20ae0-988f-7488-9506-19d17f9612bd', 'a/b:c=d+e.f'])('keeps %s', (id) => {
    expect(idOf(id)).toBe(id);
  });

  it.each([undefined, '', ' ', 'a b', 'a\nb', 'ä', '"', '{', 'x'.repeat(129)])('replaces %j', (id) => {
    expect(idOf(id)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });
});
