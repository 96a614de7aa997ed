import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TensorError } from './errors.js';
import { singlesText } from './float-text.js';
import { JsonColumn, readNested } from './json-column.js';
import type { JsonDatatype } from './json-column.js';
import { JsonScanner } from './json-scanner.js';
import type { JsonValue } from './json-scanner.js';
import type { Elements } from './tensor.js';

const scan = (text: string | Buffer, maxDepth = 100): JsonValue => {
  const scanner = new JsonScanner(maxDepth);
  scanner.open(Buffer.from(text));
  const value = scanner.readValue();
  scanner.finish();
  return value;
};

function plain(value: JsonValue): unknown {
  if (value instanceof Map) return Object.fromEntries(Array.from(value, ([key, entry]) => [key, plain(entry)]));
  return Array.isArray(value) ? value.map(plain) : value;
} // prettier-ignore

const column = (datatype: JsonDatatype, text: string, capacity = 4): { shape: number[]; elements: Elements } => {
  const scanner = new JsonScanner(100);
  scanner.open(Buffer.from(text));
  const refused = (...what: unknown[]): TensorError => new TensorError('INVALID_TENSOR', what.join(' '));
  const complaints = { misfit: refused, ragged: refused, tooMany: refused };
  const data = new JsonColumn({ datatype, capacity, most: 100_000, complaints });
  const shape = readNested(scanner, data);
  scanner.finish();
  return { shape, elements: data.elements() };
}; // prettier-ignore

describe('JSON', () => {
  it('is read as JSON.parse reads it', () => {
    const hasProto = (text: string): boolean => text.includes('__proto__');
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 3 }).filter((text) => !hasProto(text)),
        fc.nat(3),
        (text, indent) => {
          const written = JSON.stringify(JSON.parse(text), null, indent);
          expect(plain(scan(written))).toEqual(JSON.parse(written));
        },
      ),
      { numRuns: 150 },
    );
  });

  const bad = [
    '', '{', '[', '[1', '[1,', '[1,]', '[,1]', '{"a"}', '{"a":}', '{"a":1,}', '{a:1}', '1 2', '[1]]', '01', '-', '-a',
    '1.', '.5', '+1', '1e', '1e+', '0x1', 'tru', 'truer', 'nul', 'Nan', '-NaN', '"', '"\\', '"\\x"', '"\\u12"', '"\n"',
    '"\u0000"', "'a'", '[1}', '{"a":1]', '\u00a01', '[1\u0000]', '1\u0000', '--1', '1.5.5', '1e5.5', '{"a":1,"a":2}', '[-]', '[1-2]',
  ]; // prettier-ignore
  it.each(bad)('is refused when it is not JSON: %j', (text) => {
    expect(() => scan(text)).toThrow(TensorError);
    expect(() => column('FP64', `[${text},1]`)).toThrow(TensorError);
  });

  it('finds a key that repeats among many, and one that repeats in other letters', () => {
    const keys = Array.from({ length: 20 }, (_, index) => `"k${index}":0`).join(',');
    expect(() => scan(`{${keys},"k19":1}`)).toThrow('The key "k19" is given twice');
    expect(() => scan(`{${keys},"\\u006b3":1}`)).toThrow('The key "k3" is given twice');
    expect(scan(`{${keys}}`)).toHaveProperty('size', 20);
  });

  it('keeps apart keys that fall into one slot of its memory', () => {
    const scanner = new JsonScanner(10);
    for (let round = 0; round < 3; round += 1)
      for (let index = 0; index < 2_000; index += 1) {
        scanner.open(Buffer.from(`"key ${index}"`));
        expect(scanner.readValue()).toBe(`key ${index}`);
      }
  });

  it('nests as deep as allowed and no deeper', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(scan(nested(100))).toHaveLength(1);
    expect(() => scan(nested(101))).toThrow('nests deeper than 100 levels');
    expect(() => scan('['.repeat(1e6))).toThrow('nests deeper');
    expect(() => column('FP32', nested(101))).toThrow('nests deeper');
  });

  it('is UTF-8', () => {
    expect(scan('"ä€😀"')).toBe('ä€😀');
    for (const bytes of [[0x22, 0xff, 0x22], [0x22, 0xc3], [0x22, 0xed, 0xa0, 0x80, 0x22], [0x22, 0xc0, 0x80, 0x22]])
      expect(() => scan(Buffer.from(bytes))).toThrow('not valid UTF-8');
  }); // prettier-ignore
});

/** Texts around every branch: short, long, halfway between doubles, with and without exponents. */
const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.maxSafeInteger().map(String),
  fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }).map(String),
  fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 20n }), fc.nat(24)).map(([digits, point]) => {
    const text = String(digits).padStart(point + 1, '0');
    return `-${text.slice(0, text.length - point)}.${text.slice(text.length - point)}0`;
  }),
  fc.tuple(fc.nat(), fc.integer({ min: -330, max: 310 })).map(([digits, power]) => `${digits}e${power}`),
  // Exactly between two doubles, and between two singles.
  fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }).map((n) => `${(BigInt(n) * 2n ** 23n * 2n + 1n).toString()}.0`),
  fc.integer({ min: 2 ** 23, max: 2 ** 24 - 1 }).map((n) => String(n + 0.5)),
  fc.integer({ min: 2 ** 23, max: 2 ** 24 - 1 }).map((n) => `${(n + 0.5) / 2 ** 20}`),
); // prettier-ignore

describe('numbers', () => {
  it('are the doubles of JSON.parse, in rows and alone', () => {
    fc.assert(
      fc.property(fc.array(numberText, { minLength: 1, maxLength: 20 }), (texts) => {
        const expected = Float64Array.from(texts, Number);
        if (!expected.every(Number.isFinite)) return;
        expect(column('FP64', `[${texts.join(', ')}]`).elements).toEqual(expected);
        expect(scan(texts[0] ?? '')).toBe(expected[0]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('are the singles that the doubles of JSON.parse round to', () => {
    fc.assert(
      fc.property(fc.array(numberText, { minLength: 1, maxLength: 20 }), (texts) => {
        const expected = Float32Array.from(texts, Number);
        if (!expected.every(Number.isFinite)) return;
        expect(column('FP32', `[${texts.join(',\n')}]`).elements).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  it('read back as the single that was written', () => {
    const anySingle = fc.integer({ min: 0, max: 0xffff_ffff }).map((bits) => new Float32Array(Uint32Array.of(bits).buffer)[0] ?? 0);
    const decimal = fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.nat(7)).map(([n, power]) => Math.fround(n / 10 ** power));
    fc.assert(
      fc.property(fc.array(fc.oneof(anySingle, decimal), { maxLength: 20 }), (values) => {
        const text = singlesText(Float32Array.from(values));
        expect(column('FP32', `[${text}]`).elements).toEqual(Float32Array.from(values));
        if (values.every(Number.isFinite)) expect(Float32Array.from(JSON.parse(`[${text}]`) as number[])).toEqual(Float32Array.from(values));
      }),
      { numRuns: 1_000 },
    );
    expect(singlesText(Float32Array.of(0.1, -2.5, 1e-5, 3.4e38, -0, 100, 0.30000001192092896))).toBe('0.1,-2.5,0.00001,3.4e38,-0,100,0.3');
    expect(singlesText(Float32Array.of(1e-7, 1.5e-9, -2.5e-20, 123_456.78, 8_388_607.5, 1e10))).toBe('0.0000001,1.5e-9,-2.5e-20,123456.78,8388607.5,1e10');
  }); // prettier-ignore

  it.each([
    ['UINT8', '[255,300]', '1 300'],
    ['UINT8', '[-1]', '0 -1'],
    ['INT32', '[1.5]', '0 1.5'],
    ['INT32', '[1,2147483648]', '1 2147483648'],
    ['FP64', '[1e400]', '0 1e400'],
    ['FP64', '[1,-1e400,2]', '1 -1e400'],
    ['FP32', '[1e39,1]', '0 1e39'],
    ['FP32', '["nan"]', '0 "nan"'],
    ['INT64', '[9223372036854775808]', '0 9223372036854775808'],
    ['INT64', '[1e19]', '0 1e19'],
    ['UINT64', '[-1]', '0 -1'],
    ['INT8', '[NaN]', '0 NaN'],
    ['BOOL', '[2]', '0 2'],
    ['BOOL', '[[]]', '[]'],
    ['BYTES', '["\\ud800"]', '0 "\\ud800"'],
    ['BYTES', '[{"b64":"/w=="}]', '0 {"b64":"/w=="}'],
    ['FP32', '[1,[2]]', '1 [2]'],
    ['FP32', '[[1,2],3]', 'no array'],
    ['FP32', '[[1],[2,3]]', '1 2 1'],
  ] as const)('of %s do not fit: %s', (datatype, text, words) => {
    if (datatype === 'BOOL' && text === '[[]]') expect(column(datatype, text).shape).toEqual([1, 0]);
    else expect(() => column(datatype, text)).toThrow(words);
  });

  it('may be written with a point or an exponent and still be integers, and as words where floats are wanted', () => {
    expect(column('INT16', '[1.0,2e2,-0]').elements).toEqual(Int16Array.of(1, 200, 0));
    expect(column('INT64', '[1.0,"-5",-0]').elements).toEqual(BigInt64Array.of(1n, -5n, 0n));
    expect(column('FP32', '["NaN",NaN,"-Infinity",Infinity,-0]').elements).toEqual(
      Float32Array.of(NaN, NaN, -Infinity, Infinity, -0),
    );
  });

  it('grow beyond the first guess', () => {
    const values = Array.from({ length: 1_000 }, (_, index) => index);
    expect(column('UINT16', JSON.stringify(values), 1).elements).toEqual(Uint16Array.from(values));
  });
});
