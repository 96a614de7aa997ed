import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { datatypes } from '#contracts/tensors';
import type { Datatype, Signature, TensorSpec } from '#contracts/tensors';
import { elementBytes, encodeBinary } from './binary-tensors.js';
import { createDecoder } from './codec.js';
import type { DecodedRequest, EncodedBody } from './codec.js';
import { TensorError } from './errors.js';
import { decodeBinary } from './binary-tensors.js';
import { elementCount } from './tensor.js';
import type { Elements, Tensor } from './tensor.js';

const spec = (name: string, datatype: Datatype, shape: number[]): TensorSpec => ({ name, datatype, shape });
const identity = (datatype: Datatype, shape: number[]): Signature => ({
  inputs: [spec('x', datatype, shape)],
  outputs: [spec('y', datatype, shape)],
});
const label = { model: 'm', version: '1' };
const pair: Signature = {
  inputs: [spec('a', 'FP32', [-1]), spec('s', 'BYTES', [-1])],
  outputs: [spec('y', 'FP32', [-1]), spec('t', 'BYTES', [-1])],
};
const singles = (...values: number[]): Buffer => encodeBinary({ elements: Float32Array.from(values) });
const strings = (...values: string[]): Buffer => encodeBinary({ elements: values });

function send(signature: Signature, header: unknown, ...tail: Buffer[]): DecodedRequest {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  return createDecoder(signature, label)('oip', Buffer.concat([json, ...tail]), json.length);
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof TensorError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('it was not refused');
}

const input = (
  name: string,
  datatype: Datatype,
  shape: number[],
  bytes: number,
  more: object = {},
): object => ({
  name,
  datatype,
  shape,
  parameters: { binary_data_size: bytes },
  ...more,
});
const headerOf = ({
  parts,
  headerLength,
}: EncodedBody): { outputs: { parameters?: object; data?: unknown }[] } =>
  JSON.parse(Buffer.concat(parts).subarray(0, headerLength).toString()) as ReturnType<typeof headerOf>;

/** Bits, so that NaN is NaN and -0 is not 0. */
const bits = (elements: Elements): unknown =>
  ArrayBuffer.isView(elements)
    ? Buffer.from(elements.buffer, elements.byteOffset, elements.byteLength).toString('hex')
    : elements;

const tensorOf = (datatype: Datatype): fc.Arbitrary<Tensor> =>
  fc.array(fc.nat({ max: 3 }), { maxLength: 4 }).chain((shape) => {
    const count = elementCount(shape);
    const size = elementBytes(datatype);
    const tensor = (elements: Elements): Tensor => ({ name: 'x', datatype, shape, elements });
    if (size === undefined)
      return fc.array(fc.string({ unit: 'grapheme' }), { minLength: count, maxLength: count }).map(tensor);
    const byte = datatype === 'BOOL' ? fc.nat(1) : fc.nat(255);
    return fc
      .array(byte, { minLength: count * size, maxLength: count * size })
      .map((bytes) => tensor(decodeBinary({ name: 'x', datatype, shape, count, bytes: Buffer.from(bytes) })));
  });

describe('binary tensors', () => {
  it.each(datatypes)('keep every bit of %s, in and out, and agree with JSON', (datatype) => {
    fc.assert(
      fc.property(tensorOf(datatype), fc.nat(7), fc.boolean(), (tensor, padding, viaJson) => {
        const any = identity(datatype, []);
        const data = encodeBinary(tensor);
        const header = {
          parameters: { binary_data_output: true },
          padding: ' '.repeat(padding),
          inputs: [input('x', datatype, [...tensor.shape], data.length)],
        };
        const request = send(any, header, data);
        expect(request.inputs[0]?.shape).toEqual(tensor.shape);
        expect(bits(request.inputs[0]?.elements ?? [])).toEqual(bits(tensor.elements));
        const answer = request.encode(request.inputs);
        expect(Buffer.concat(answer.parts).subarray(answer.headerLength)).toEqual(data);
        if (datatype === 'FP16' || !viaJson) return;
        const asker = createDecoder(identity(datatype, []), label)('oip', Buffer.concat([Buffer.from(JSON.stringify({ ...header, parameters: {} })), data]), JSON.stringify({ ...header, parameters: {} }).length);
        const text = asker.encode(request.inputs).parts.join('').replace('"outputs"', '"inputs"');
        const back = createDecoder(any, label)('oip', Buffer.from(text), undefined);
        // JSON has one NaN only.
        const canonical = (elements: Elements): unknown => bits(elements instanceof Float32Array || elements instanceof Float64Array ? elements.map((value) => value) : elements);
        const isNaNFree = !(tensor.elements instanceof Float32Array || tensor.elements instanceof Float64Array) || tensor.elements.every((value: number) => !Number.isNaN(value));
        if (isNaNFree) expect(canonical(back.inputs[0]?.elements ?? [])).toEqual(canonical(tensor.elements));
        else expect(back.inputs[0]?.elements).toEqual(tensor.elements);
      }),
    );
  }); // prettier-ignore

  it('mix with JSON, in the order of the inputs', () => {
    const header = {
      inputs: [
        input('s', 'BYTES', [2], 4 + 2 + 4),
        { name: 'a', datatype: 'FP32', shape: [2], data: [1, 2] },
      ],
      outputs: [{ name: 't', parameters: { binary_data: true } }, { name: 'y' }],
    };
    const request = send(pair, header, strings('ä', ''));
    expect(request.inputs.map(({ name }) => name)).toEqual(['a', 's']);
    expect(request.inputs[1]?.elements).toEqual(['ä', '']);
    const answer = request.encode([
      { name: 't', datatype: 'BYTES', shape: [2], elements: ['é', 'x'] },
      { name: 'y', datatype: 'FP32', shape: [2], elements: Float32Array.of(3, 4.5) },
    ]);
    expect(headerOf(answer).outputs).toEqual([
      { name: 't', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: 11 } },
      { name: 'y', datatype: 'FP32', shape: [2], data: [3, 4.5] },
    ]);
    expect(Buffer.concat(answer.parts).subarray(answer.headerLength)).toEqual(strings('é', 'x'));
  });

  it('answer in binary by the parameter of the request, unless an output says otherwise', () => {
    const header = (outputs?: object): object => ({
      parameters: { binary_data_output: true },
      inputs: [input('x', 'FP32', [1], 4)],
      outputs,
    });
    const results: Tensor[] = [
      { name: 'y', datatype: 'FP32', shape: [1], elements: Float32Array.of(1) },
    ];
    const signature = identity('FP32', [-1]);
    expect(send(signature, header(), singles(1)).encode(results).headerLength).toBeGreaterThan(0);
    const outputs = [{ name: 'y', parameters: { binary_data: false } }];
    const json = send(signature, header(outputs), singles(1)).encode(results);
    expect(json.headerLength).toBeUndefined();
    expect(headerOf(json).outputs[0]).not.toHaveProperty('parameters');
  }); // prettier-ignore

  it('read the parameters of the request', () => {
    const header = {
      parameters: { priority: 1, timeout: 5_000, sequence_id: 7, note: 'x', flag: true },
      inputs: [input('x', 'FP32', [1], 4)],
    };
    expect(send(identity('FP32', [-1]), header, singles(1))).toMatchObject({ priority: 1, timeoutUs: 5_000 });
    for (const [parameters, words] of [
      [{ priority: -1 }, "Unable to parse 'priority'"],
      [{ priority: '1' }, "Unable to parse 'priority'"],
      [{ timeout: 1.5 }, "Unable to parse 'timeout'"],
      [{ binary_data_output: 1 }, "Unable to parse 'binary_data_output'"],
      [{ note: null }, "'note'"],
      [{ note: [] }, "'note'"],
      [{ triton_x: 1 }, 'reserved for Triton'],
      [[], 'must be an object'],
    ] as const)
      expect(refusal(() => send(identity('FP32', [-1]), { ...header, parameters }, singles(1)))).toContain(
        words,
      );
  });

  it.each([
    ['a size that is short of the shape', [input('a', 'FP32', [2], 4)], /input 'a' has 4 bytes.*\[2\] of FP32 needs 8/],
    ['a size beyond the body', [input('a', 'FP32', [8], 32)], /unexpected size for input 'a', expecting 4 additional bytes/],
    ['a huge size', [input('a', 'FP32', [2], 2 ** 53 - 1)], /unexpected size for input 'a'/],
    ['a negative size', [input('a', 'FP32', [2], -8)], /binary_data_size/],
    ['a size that is no integer', [input('a', 'FP32', [2], 1.5)], /binary_data_size/],
    ['data beside the size', [input('a', 'FP32', [2], 8, { data: [1, 2] })], /'a' must set only one of/],
    ['bytes that nobody announced', [input('a', 'FP32', [2], 8), input('s', 'BYTES', [0], 0)], /unexpected additional input data: 20 bytes/],
    ['a string that runs past its data', [input('s', 'BYTES', [1], 8)], /'s': a length of \d+ bytes runs past/],
    ['more strings than there are', [input('s', 'BYTES', [9], 28)], /'s': binary data ends at element 7 of 9/],
    ['shared memory', [{ name: 'a', datatype: 'FP32', shape: [2], parameters: { shared_memory_region: 'r' } }], /'a': shared memory is not supported/],
    ['a huge shape of strings', [input('s', 'BYTES', [2 ** 27], 8)], /'s': binary data ends/],
    ['a shape that overflows', [input('a', 'FP32', [2 ** 40, 2 ** 40], 8)], /'a': shape .* is too large/],
  ])('are refused in words: %s', (_, inputs, words) => {
    const wide = { ...pair, inputs: [spec('a', 'FP32', []), spec('s', 'BYTES', [])] };
    expect(refusal(() => send(wide, { inputs }, Buffer.alloc(28, 1)))).toMatch(words);
  }); // prettier-ignore

  it('are refused when they are no text, no booleans, or strings left over', () => {
    const text = identity('BYTES', [-1]);
    const bad = Buffer.from([1, 0, 0, 0, 0xff]);
    expect(refusal(() => send(text, { inputs: [input('x', 'BYTES', [1], 5)] }, bad))).toMatch(/'x': bytes that are not UTF-8 at element 0/);
    expect(refusal(() => send(text, { inputs: [input('x', 'BYTES', [1], 12)] }, strings('abc', 'd')))).toMatch(/5 bytes of binary data are left over/);
    expect(refusal(() => send(identity('BOOL', [-1]), { inputs: [input('x', 'BOOL', [2], 2)] }, Buffer.of(1, 2)))).toMatch(/'x': element 1 is 2/);
  }); // prettier-ignore

  it('need a header length that lies within the body', () => {
    const json = Buffer.from(JSON.stringify({ inputs: [input('x', 'FP32', [1], 4)] }));
    const decode = createDecoder(identity('FP32', [-1]), label);
    const body = Buffer.concat([json, singles(1)]);
    expect(refusal(() => decode('oip', body, body.length + 1))).toMatch(
      /^INVALID_REQUEST: Inference-Header-Content-Length/,
    );
    expect(refusal(() => decode('oip', body, undefined))).toMatch(/^INVALID_JSON/);
    expect(refusal(() => decode('oip', json, undefined))).toMatch(
      /must specify valid 'Inference-Header-Content-Length'/,
    );
    expect(refusal(() => decode('oip', body, 3))).toMatch(/^INVALID_JSON/);
    const all = Buffer.from('{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}');
    expect(decode('oip', all, all.length).inputs[0]?.elements).toEqual(Float32Array.of(1));
  });
});

describe('a raw request', () => {
  const raw = (signature: Signature, body: Buffer): DecodedRequest =>
    createDecoder(signature, label)('oip', body, 0);

  it('finds its shape by its size and answers in binary', () => {
    const request = raw(identity('FP32', [-1, 2]), singles(1, 2, 3, 4));
    expect(request.inputs[0]).toMatchObject({ shape: [2, 2], elements: Float32Array.of(1, 2, 3, 4) });
    expect(request.encode(request.inputs).headerLength).toBeGreaterThan(0);
    expect(raw(identity('FP32', [-1, -1]), singles(1, 2, 3)).inputs[0]?.shape).toEqual([1, 3]);
    expect(raw(identity('BYTES', [-1]), Buffer.from('hello')).inputs[0]?.elements).toEqual(['hello']);
    expect(raw(identity('FP16', [2]), Buffer.alloc(4)).inputs[0]?.shape).toEqual([2]);
  });

  it.each([
    ['two inputs', pair, Buffer.alloc(4), /one input; this one takes 'a', 's'/],
    [
      'a size that does not divide',
      identity('FP32', [-1, 2]),
      Buffer.alloc(12),
      /12 bytes are no multiple of 8/,
    ],
    ['several dynamic dimensions', identity('FP32', [-1, -1, -1]), Buffer.alloc(12), /cannot be told/],
    ['the wrong size', identity('FP32', [2]), Buffer.alloc(12), /has 12 bytes.*needs 8/],
    ['several strings', identity('BYTES', [-1, 2]), Buffer.alloc(12), /one element of BYTES/],
    ['bytes that are no text', identity('BYTES', [1]), Buffer.of(0xff), /'x': the body is not UTF-8/],
  ])('is refused in words: %s', (_, signature, body, words) => {
    expect(refusal(() => raw(signature, body))).toMatch(words);
  });
});

describe('classification', () => {
  const signature = identity('FP32', [-1, 3]);
  const scores = Float32Array.of(0.1, 0.7, 0.2, NaN, -1, 2);
  const ask = (parameters: object, of: Signature = signature, shape = [2, 3]): DecodedRequest =>
    send(of, { inputs: [input('x', 'FP32', shape, 24)], outputs: [{ name: 'y', parameters }] }, singles(...scores));
  const results = (shape: number[]): Tensor[] => [{ name: 'y', datatype: 'FP32', shape, elements: scores }];

  it('gives the largest values of each row with their indices', () => {
    const expected = ['0.700000:1', '0.200000:2', '2.000000:2', '-1.000000:1'];
    const json = headerOf(ask({ classification: 2 }).encode(results([2, 3])));
    expect(json.outputs[0]).toEqual({ name: 'y', datatype: 'BYTES', shape: [2, 2], data: expected });
    const binary = ask({ classification: 2, binary_data: true }).encode(results([2, 3]));
    expect(Buffer.concat(binary.parts).subarray(binary.headerLength)).toEqual(strings(...expected));
    const all = headerOf(ask({ classification: 9 }).encode(results([2, 3]))).outputs[0];
    expect(all).toMatchObject({ shape: [2, 3], data: [expected[0], expected[1], '0.100000:0', expected[2], expected[3], 'nan:0'] });
  });

  it('takes the whole tensor where no dimension is the batch', () => {
    const fixed = identity('FP32', [2, 3]);
    expect(headerOf(ask({ classification: 1 }, fixed).encode(results([2, 3]))).outputs[0]).toMatchObject({
      shape: [1],
      data: ['2.000000:5'],
    });
  });

  it('ranks integers as they are', () => {
    const big = { inputs: [spec('x', 'FP32', [-1, 3])], outputs: [spec('y', 'INT64', [-1, -1])] };
    const elements = BigInt64Array.of(2n ** 60n, 2n ** 60n + 1n);
    const body = ask({ classification: 1 }, big).encode([{ name: 'y', datatype: 'INT64', shape: [1, 2], elements }]);
    expect(headerOf(body).outputs[0]?.data).toEqual([`${2n ** 60n + 1n}:1`]);
  });

  it('is refused for what has no rank', () => {
    const text = { ...signature, outputs: [spec('y', 'BYTES', [-1])] };
    expect(refusal(() => ask({ classification: 1 }, text))).toMatch(/class result not available.*'BYTES'/);
    expect(refusal(() => ask({ classification: -1 }))).toMatch(/Unable to parse 'classification'/);
    expect(refusal(() => ask({ classification: true }))).toMatch(/Unable to parse 'classification'/);
  });
}); // prettier-ignore
