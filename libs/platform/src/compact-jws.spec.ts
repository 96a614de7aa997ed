import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duplicateMember, parseCompactJws } from './compact-jws.js';

const encode = (text: string): string => Buffer.from(text).toString('base64url');
const token = (header: string, claims: string): string => `${encode(header)}.${encode(claims)}.c2ln`;
const good = token('{"alg":"RS256"}', '{"sub":"a"}');

describe('parseCompactJws', () => {
  it('reads header and claims', () => {
    expect(parseCompactJws(good)).toEqual({ header: { alg: 'RS256' }, claims: { sub: 'a' } });
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['two parts', good.split('.').slice(0, 2).join('.')],
    ['four parts', `${good}.c2ln`],
    ['no signature', `${good.split('.').slice(0, 2).join('.')}.`],
    ['padding', `${good}=`],
    ['left-over bits', good.replace(/c2ln$/, 'c2l')],
    ['another alphabet', good.replace(/c2ln$/, '+/+/')],
    ['a space', good.replace('.', ' .')],
    ['a claims set that is a list', token('{"alg":"RS256"}', '["a"]')],
    ['a header that is a text', token('"RS256"', '{"sub":"a"}')],
    ['a duplicate claim', token('{"alg":"RS256"}', '{"sub":"a","sub":"b"}')],
    [
      'a duplicate claim, spelled differently',
      token('{"alg":"RS256"}', String.raw`{"sub":"a","s\u0075b":"b"}`),
    ],
    ['a duplicate header', token('{"alg":"RS256","alg":"none"}', '{"sub":"a"}')],
    ['a duplicate deep down', token('{"alg":"RS256"}', '{"x":[{"y":{"z":1,"z":2}}]}')],
    [
      'bytes that are no UTF-8',
      `${encode('{"alg":"RS256"}')}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.c2ln`,
    ],
    ['a byte order mark', token('{"alg":"RS256"}', '\uFEFF{"sub":"a"}')],
    ['a huge text', token('{"alg":"RS256"}', `{"sub":"${'a'.repeat(9_000)}"}`)],
  ])('refuses %s', (_, text) => {
    expect(() => parseCompactJws(text)).toThrow();
  });
});

describe('duplicateMember', () => {
  it('finds none in what JSON.stringify makes, and one as soon as a member is repeated', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), (object) => {
        const json = JSON.stringify(object);
        expect(duplicateMember(json)).toBeUndefined();
        const [name = ''] = Object.keys(object);
        expect(duplicateMember(`${json.slice(0, -1)},${JSON.stringify(name)}:0}`)).toBe(name);
      }),
    );
  });
});
