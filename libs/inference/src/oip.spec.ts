import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { datatypes } from '#contracts/tensors';
import type { Datatype, Signature, TensorSpec } from '#contracts/tensors';
import { createDecoder } from './codec.js';
import type { DecodedRequest } from './codec.js';
import { TensorError } from './errors.js';
import { allocate, elementCount } from './tensor.js';
import type { Elements, Tensor } from './tensor.js';

const spec = (name: string, datatype: Datatype, shape: number[]): TensorSpec => ({ name, datatype, shape });
const signatureOf = (...inputs: TensorSpec[]): Signature => ({ inputs, outputs: [spec('y', 'FP32', [-1])] });
const label = { model: 'a"b', version: '3' };
const decode = (signature: Signature, body: unknown): DecodedRequest =>
  createDecoder(signature, label)(
    'oip',
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    undefined,
  );
const textOf = (request: DecodedRequest, results: readonly Tensor[]): string =>
  request.encode(results).parts.join('');
const fp32 = signatureOf(spec('x', 'FP32', [-1, 2]));
const input = (over: object = {}): object => ({
  name: 'x',
  datatype: 'FP32',
  shape: [1, 2],
  data: [1, 2],
  ...over,
});

function refusal(signature: Signature, body: unknown): string {
  try {
    decode(signature, body);
  } catch (error) {
    if (error instanceof TensorError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('it was not refused');
}

const bigs = { INT64: [-(2n ** 63n), 2n ** 63n - 1n], UINT64: [0n, 2n ** 64n - 1n] } as const;
const integers = {
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 4_294_967_295],
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
} as const;

type JsonDatatype = Exclude<Datatype, 'FP16'>;
const jsonDatatypes = datatypes.filter((datatype) => datatype !== 'FP16');
function elementOf(datatype: JsonDatatype): fc.Arbitrary<number | bigint | string> {
  if (datatype === 'INT64' || datatype === 'UINT64')
    return fc.bigInt({ min: bigs[datatype][0], max: bigs[datatype][1] });
  if (datatype === 'FP32') return fc.float();
  if (datatype === 'FP64') return fc.double();
  if (datatype === 'BOOL') return fc.nat({ max: 1 });
  if (datatype === 'BYTES') return fc.string({ unit: 'grapheme' });
  return fc.integer({ min: integers[datatype][0], max: integers[datatype][1] });
}

const tensorOf = (datatype: JsonDatatype): fc.Arbitrary<Tensor> =>
  fc.array(fc.nat({ max: 4 }), { maxLength: 4 }).chain((shape) => {
    const count = elementCount(shape);
    return fc.array(elementOf(datatype), { minLength: count, maxLength: count }).map((values) => {
      const elements = allocate(datatype, count) as (typeof values)[number][];
      for (const [index, value] of values.entries()) elements[index] = value;
      return { name: 'x', datatype, shape, elements: elements as unknown as Elements };
    });
  });

/** Bits, so that NaN is NaN and -0 is not 0. */
const bits = (elements: Elements): unknown =>
  ArrayBuffer.isView(elements) ? Buffer.from(elements.buffer).toString('hex') : elements;

describe('encode, then decode', () => {
  it.each(jsonDatatypes)('keeps every %s, flat', (datatype) => {
    const asker = decode({ inputs: [], outputs: [spec('x', datatype, [])] }, { inputs: [] });
    fc.assert(
      fc.property(tensorOf(datatype), (tensor) => {
        const body = textOf(asker, [tensor]).replace('"outputs"', '"inputs"');
        const signature = signatureOf(
          spec(
            'x',
            datatype,
            tensor.shape.map(() => -1),
          ),
        );
        const [back] = decode(signature, body).inputs;
        expect(back?.shape).toEqual(tensor.shape);
        expect(bits(back?.elements ?? [])).toEqual(bits(tensor.elements));
      }),
    );
  });
});

describe('a request', () => {
  it('may nest its data as the shape says', () => {
    const signature = signatureOf(spec('x', 'INT32', [-1, 2, 3]));
    const data = [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]; // prettier-ignore
    const { inputs } = decode(signature, {
      inputs: [{ name: 'x', datatype: 'INT32', shape: [2, 2, 3], data }],
    });
    expect(inputs[0]?.elements).toEqual(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  });

  it('keeps its id, and the asked outputs in the asked order', () => {
    const signature = {
      ...fp32,
      outputs: [spec('a', 'FP32', []), spec('b', 'FP32', []), spec('c', 'FP32', [])],
    };
    const body = { id: '7', inputs: [input()], outputs: [{ name: 'c' }, { name: 'a' }] };
    const chosen = decode(signature, body);
    expect(chosen.outputs).toEqual(['c', 'a']);
    expect(JSON.parse(textOf(chosen, []))).toMatchObject({ id: '7' });
    const all = decode(signature, { inputs: [input()] });
    expect(all.outputs).toEqual(['a', 'b', 'c']);
    expect(JSON.parse(textOf(all, []))).not.toHaveProperty('id');
  });

  it('takes a scalar with and without brackets, and as [1]', () => {
    const signature = signatureOf(spec('sr', 'INT64', []));
    for (const [shape, data] of [
      [[], 16_000],
      [[], [16_000]],
      [[1], [16_000]],
    ])
      // prettier-ignore
      expect(decode(signature, { inputs: [{ name: 'sr', datatype: 'INT64', shape, data }] }).inputs[0]?.elements).toEqual(
        BigInt64Array.of(16_000n),
      );
  });

  it('keeps 64-bit integers exact as numbers and as strings', () => {
    const signature = signatureOf(spec('x', 'INT64', [-1]));
    const body = (token: string): string =>
      `{"inputs":[{"name":"x","datatype":"INT64","shape":[1],"data":[${token}]}]}`;
    for (const token of ['9007199254740993', '-9223372036854775808', '"9223372036854775807"'])
      expect(decode(signature, body(token)).inputs[0]?.elements).toEqual(
        BigInt64Array.of(BigInt(token.replaceAll('"', ''))),
      );
    expect(refusal(signature, body('9223372036854775808'))).toMatch(
      /^INVALID_TENSOR.*'x'.*9223372036854775808/,
    );
    expect(refusal(signature, body('1.5'))).toMatch(/^INVALID_TENSOR/);
  });

  it('leaves long numbers of other inputs and digits in strings as they are', () => {
    const signature = signatureOf(spec('n', 'INT64', [1]), spec('d', 'FP64', [2]), spec('s', 'BYTES', [1]));
    const text = `{"inputs":[{"name":"n","datatype":"INT64","shape":[1],"data":[12345678901234567]},
      {"name":"d","datatype":"FP64","shape":[2],"data":[12345678901234567890, 0.12345678901234567890]},
      {"name":"s","datatype":"BYTES","shape":[1],"data":["a\\"12345678901234567890"]}]}`;
    const [n, d, s] = decode(signature, text).inputs;
    expect(n?.elements).toEqual(BigInt64Array.of(12_345_678_901_234_567n));
    expect(d?.elements).toEqual(
      Float64Array.of(Number('12345678901234567890'), Number('0.12345678901234567890')),
    );
    expect(s?.elements).toEqual(['a"12345678901234567890']);
  });

  it('reads NaN and the infinities, in floats only', () => {
    const body = (datatype: string): string =>
      `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[1,2],"data":[NaN,-Infinity]}]}`;
    expect(decode(fp32, body('FP32')).inputs[0]?.elements).toEqual(Float32Array.of(NaN, -Infinity));
    expect(refusal(signatureOf(spec('x', 'INT8', [1, 2])), body('INT8'))).toMatch(
      /element 0 is NaN; INT8 takes integers/,
    );
  });

  it.each([
    ['not JSON', '{', /^INVALID_JSON/],
    ['a bare NaN', 'NaN{', /^INVALID_JSON/],
    ['no object', '[]', /^INVALID_REQUEST/],
    ['no inputs', {}, /^INVALID_REQUEST.*inputs/],
    ['an id that is no string', { id: 1, inputs: [input()] }, /^INVALID_REQUEST.*id/],
    ['a missing input', { inputs: [] }, /^INVALID_TENSOR: missing input 'x'/],
    ['an unknown input', { inputs: [input({ name: 'z' })] }, /unknown input 'z'; the model takes 'x'/],
    ['an input twice', { inputs: [input(), input()] }, /'x' is given twice/],
    ['another datatype', { inputs: [input({ datatype: 'FP64' })] }, /'x': datatype is "FP64", expected FP32/],
    ['another rank', { inputs: [input({ shape: [2] })] }, /'x': shape is \[2\], expected \[-1, 2\]/],
    ['another size', { inputs: [input({ shape: [1, 3] })] }, /expected \[-1, 2\]/],
    ['a negative size', { inputs: [input({ shape: [-1, 2] })] }, /shape must be an array of sizes/],
    ['a huge shape', { inputs: [input({ shape: [2 ** 52, 2] })] }, /too large/],
    [
      'a large shape with little data',
      { inputs: [input({ shape: [1e12, 2] })] },
      /too large; a tensor may have/,
    ],
    ['data that ends before its shape', { inputs: [input({ shape: [1e6, 2] })] }, /data has 2 elements/],
    ['no data', { inputs: [input({ data: undefined })] }, /'x' has no "data"/],
    ['data of another kind', { inputs: [input({ data: 'abc' })] }, /data must be an array/],
    ['a string in numbers', { inputs: [input({ data: [1, '2'] })] }, /element 1 is "2"; FP32 takes numbers/],
    ['null in numbers', { inputs: [input({ data: [1, null] })] }, /element 1 is null/],
    ['a number beyond the datatype', { inputs: [input({ data: [1, 1e39] })] }, /32-bit float/],
    ['wrong nesting', { inputs: [input({ data: [[1], [2]] })] }, /nested as its shape \[1, 2\]/],
    [
      'ragged nesting',
      { inputs: [input({ shape: [2, 2], data: [[1, 2], [3]] })] },
      /1 elements instead of 2/,
    ],
    ['deep nesting', { inputs: [input({ data: [[[1], [2]]] })] }, /nested as \[1, 2, 1\]/],
    [
      'an unknown output',
      { inputs: [input()], outputs: [{ name: 'q' }] },
      /unknown output 'q'; the model gives 'y'/,
    ],
    ['an output twice', { inputs: [input()], outputs: [{ name: 'y' }, { name: 'y' }] }, /twice/],
  ])('is refused in words: %s', (_, body, words) => {
    expect(refusal(fp32, body)).toMatch(words);
  });

  it('is refused when it is not UTF-8', () => {
    expect(() => createDecoder(fp32, label)('oip', Buffer.from([0x22, 0xff, 0x22]), undefined)).toThrow(
      /UTF-8/,
    );
  });

  it('cannot carry FP16, in or out', () => {
    const half = spec('h', 'FP16', [1]);
    const words = /sending FP16 data via JSON is not supported. Please use the binary data format/;
    expect(
      refusal(signatureOf(half), { inputs: [{ name: 'h', datatype: 'FP16', shape: [1], data: [1] }] }),
    ).toMatch(words);
    expect(refusal({ ...fp32, outputs: [half] }, { inputs: [input()] })).toMatch(words);
  });

  it('never fails otherwise than with a TensorError, whatever the body', () => {
    const signature = signatureOf(spec('x', 'INT64', [-1, 2]), spec('s', 'BYTES', [-1]));
    const odd = fc.oneof(fc.json(), fc.string(), fc.json().map((text) => `{"inputs":[{"name":"x","datatype":"INT64","shape":[1,2],"data":${text}}]}`)); // prettier-ignore
    fc.assert(
      fc.property(odd, (text) => {
        try {
          decode(signature, text);
        } catch (error) {
          expect(error).toBeInstanceOf(TensorError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('an answer', () => {
  it('names model, version and id, and writes what JSON.stringify would lose', () => {
    const outputs: Tensor[] = [
      { name: 'f', datatype: 'FP32', shape: [4], elements: Float32Array.of(0.5, -0, NaN, -Infinity) },
      { name: 'i', datatype: 'UINT64', shape: [1], elements: BigUint64Array.of(2n ** 64n - 1n) },
      { name: 'b', datatype: 'BOOL', shape: [2], elements: Uint8Array.of(1, 0) },
      { name: 's', datatype: 'BYTES', shape: [1], elements: ['ä"\n'] },
    ];
    expect(textOf(decode(signatureOf(), { id: 'x', inputs: [] }), outputs)).toBe(
      '{"model_name":"a\\"b","model_version":"3","id":"x","outputs":[' +
        '{"name":"f","datatype":"FP32","shape":[4],"data":[0.5,-0,NaN,-Infinity]},' +
        '{"name":"i","datatype":"UINT64","shape":[1],"data":[18446744073709551615]},' +
        '{"name":"b","datatype":"BOOL","shape":[2],"data":[true,false]},' +
        '{"name":"s","datatype":"BYTES","shape":[1],"data":["ä\\"\\n"]}]}',
    );
  });
});
