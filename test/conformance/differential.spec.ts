/** Over every datatype: tensors sent as JSON, sent as bytes, and given to ONNX Runtime directly come out the same, to the bit. */
import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { identityModel } from '../support/onnx-model.js';
import type { ElementType } from '../support/onnx-model.js';
import { binaryBody } from './cases.js';
import { openStage } from './stage.js';
import type { Stage, Way } from './stage.js';

// As in a runner: with a native Float16Array (Node 23 on), onnxruntime-node misreads FP16.
vi.hoisted(() => Reflect.deleteProperty(globalThis, 'Float16Array'));

/** Elements of a datatype as JSON tokens, which hold every value exactly, and as bytes. */
interface Kind {
  readonly type: Exclude<ElementType, 'BFLOAT16'>;
  readonly ort: ort.Tensor.Type;
  readonly edges: readonly string[];
  readonly any: fc.Arbitrary<string>;
  readonly toBytes: (tokens: readonly string[]) => Buffer;
  /** The one way in which a token that means this value is compared. */
  readonly canonical: (token: string) => string;
  readonly fromBytes: (bytes: Buffer) => string[];
}

interface Numbers {
  readonly BYTES_PER_ELEMENT: number;
  new (values: number): ArrayLike<number | bigint> & { readonly buffer: ArrayBuffer };
  from(values: readonly never[]): { readonly buffer: ArrayBuffer };
  new (buffer: ArrayBuffer): ArrayLike<number | bigint>;
}

const show = (value: number | bigint): string => (Object.is(value, -0) ? '-0' : String(value));
const aligned = (bytes: Buffer): ArrayBuffer => new Uint8Array(bytes).buffer;

function numbers(
  type: Kind['type'],
  name: ort.Tensor.Type,
  array: unknown,
  rest: Pick<Kind, 'edges' | 'any'>,
): Kind {
  const numberArray = array as Numbers;
  const isBig = type.endsWith('64') && type !== 'FP64';
  const isFloat = type.startsWith('FP');
  const parse = (token: string): number | bigint => (isBig ? BigInt(token) : Number(token));
  const toBytes: Kind['toBytes'] = (tokens) =>
    Buffer.from(numberArray.from(tokens.map(parse) as never[]).buffer);
  const fromBytes: Kind['fromBytes'] = (bytes) => Array.from(new numberArray(aligned(bytes)), show);
  return {
    ...rest,
    type,
    ort: name,
    toBytes,
    fromBytes,
    canonical: (token) => (isFloat ? (fromBytes(toBytes([token]))[0] ?? '') : show(parse(token))),
  };
}

const integers = (bits: number, isSigned: boolean): Pick<Kind, 'edges' | 'any'> => {
  const [min, max] = isSigned
    ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n]
    : [0n, 2n ** BigInt(bits) - 1n];
  const odd = [0n, 1n, -1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, min, min + 1n, max - 1n, max];
  return {
    edges: odd.filter((value) => value >= min && value <= max).map(String),
    any: fc.bigInt({ min, max }).map(String),
  };
};
const floatEdges = [
  '0',
  '-0',
  '1.5',
  '-2.25',
  '0.1',
  '1e-45',
  '3.4028234663852886e38',
  'NaN',
  'Infinity',
  '-Infinity',
];
const texts = ['', 'a', 'käse', '日本語', '\u0001"\\\n', '🙂', 'x'.repeat(300)];

function textBytes(tokens: readonly string[]): Buffer {
  return Buffer.concat(
    tokens.flatMap((token) => {
      const text = Buffer.from(JSON.parse(token) as string);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(text.length);
      return [length, text];
    }),
  );
}

function textsFrom(bytes: Buffer): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32LE(at);
    tokens.push(JSON.stringify(bytes.subarray(at + 4, end).toString()));
    at = end;
  }
  return tokens;
}

const kinds: readonly Kind[] = [
  {
    type: 'BOOL',
    ort: 'bool',
    edges: ['true', 'false', 'true'],
    any: fc.boolean().map(String),
    toBytes: (tokens) => Buffer.from(tokens.map((token) => (token === 'true' ? 1 : 0))),
    fromBytes: (bytes) => [...bytes].map((byte) => String(byte === 1)),
    canonical: (token) => token,
  },
  numbers('UINT8', 'uint8', Uint8Array, integers(8, false)),
  numbers('UINT16', 'uint16', Uint16Array, integers(16, false)),
  numbers('UINT32', 'uint32', Uint32Array, integers(32, false)),
  numbers('UINT64', 'uint64', BigUint64Array, integers(64, false)),
  numbers('INT8', 'int8', Int8Array, integers(8, true)),
  numbers('INT16', 'int16', Int16Array, integers(16, true)),
  numbers('INT32', 'int32', Int32Array, integers(32, true)),
  numbers('INT64', 'int64', BigInt64Array, integers(64, true)),
  numbers('FP32', 'float32', Float32Array, { edges: floatEdges, any: fc.float().map(show) }),
  numbers('FP64', 'float64', Float64Array, {
    edges: [...floatEdges, '5e-324', '1.7976931348623157e308'],
    any: fc.double().map(show),
  }),
  {
    type: 'BYTES',
    ort: 'string',
    edges: texts.map((text) => JSON.stringify(text)),
    any: fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text)),
    toBytes: textBytes,
    fromBytes: textsFrom,
    canonical: (token) => JSON.stringify(JSON.parse(token)),
  },
];

const fp16 = Buffer.from(
  Uint16Array.from([0, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00, 0xfc00, 0x7e00]).buffer,
);

let stage: Stage;
beforeAll(async () => {
  const types = [...kinds.map(({ type }) => type), 'FP16' as const];
  stage = await openStage(types.map((type) => ({ model: type, bytes: identityModel(type) })));
});
afterAll(() => stage.close());

const path = (type: string): string => `/v2/models/${type}/infer`;

async function asBytes(way: Way, type: string, count: number, bytes: Buffer): Promise<Buffer> {
  const input = { name: 'x', datatype: type, shape: [count], parameters: { binary_data_size: bytes.length } };
  const call = binaryBody({ inputs: [input], parameters: { binary_data_output: true } }, bytes);
  const answer = await way.send({ method: 'POST', path: path(type), ...call });
  expect(answer.status, answer.bytes.toString()).toBe(200);
  return answer.bytes.subarray(Number(answer.headers['inference-header-content-length']));
}

async function asJson(way: Way, { type, canonical }: Kind, tokens: readonly string[]): Promise<string[]> {
  const body = `{"inputs":[{"name":"x","datatype":"${type}","shape":[${tokens.length}],"data":[${tokens.join(',')}]}]}`;
  const answer = await way.send({ method: 'POST', path: path(type), body });
  const text = answer.bytes.toString();
  expect(answer.status, text).toBe(200);
  const data = /"data":\[(.*?)\]\}\]\}$/s.exec(text)?.[1] ?? '';
  const token = type === 'BYTES' ? /"(?:[^"\\]|\\.)*"/g : /[^,]+/g;
  return (data.match(token) ?? []).map(canonical);
}

async function directly(
  session: ort.InferenceSession,
  kind: Kind,
  tokens: readonly string[],
): Promise<string[]> {
  const shape = [tokens.length];
  const bytes = aligned(kind.toBytes(tokens));
  const data = {
    string: () => tokens.map((token) => JSON.parse(token) as string),
    bool: () => new Uint8Array(bytes),
    uint8: () => new Uint8Array(bytes),
    uint16: () => new Uint16Array(bytes),
    uint32: () => new Uint32Array(bytes),
    uint64: () => new BigUint64Array(bytes),
    int8: () => new Int8Array(bytes),
    int16: () => new Int16Array(bytes),
    int32: () => new Int32Array(bytes),
    int64: () => new BigInt64Array(bytes),
    float32: () => new Float32Array(bytes),
    float64: () => new Float64Array(bytes),
  }[kind.ort as 'string']();
  const output = (await session.run({ x: new ort.Tensor(kind.ort as 'string', data, shape) }))['y']?.data;
  if (output === undefined) throw new Error('there is no y');
  if (Array.isArray(output)) return output.map((text) => JSON.stringify(text));
  const view = output as Uint8Array;
  return kind.fromBytes(Buffer.from(view.buffer, view.byteOffset, view.byteLength));
}

describe.each(kinds)('$type', (kind) => {
  it('is the same in every way', async () => {
    const session = await ort.InferenceSession.create(identityModel(kind.type));
    const check = async (tokens: readonly string[]): Promise<void> => {
      const wanted = tokens.map(kind.canonical);
      expect(await directly(session, kind, tokens)).toEqual(wanted);
      for (const way of [stage.ways.node, stage.ways.gateway]) {
        expect(kind.fromBytes(await asBytes(way, kind.type, tokens.length, kind.toBytes(tokens)))).toEqual(
          wanted,
        );
        expect(await asJson(way, kind, tokens)).toEqual(wanted);
      }
    };
    await check(kind.edges);
    await fc.assert(fc.asyncProperty(fc.array(kind.any, { maxLength: 40 }), check), { numRuns: 25, seed: 7 });
    await session.release();
  });
});

describe('FP16', () => {
  it('comes back to the bit, by every way that it can go', async () => {
    const session = await ort.InferenceSession.create(identityModel('FP16'));
    const bits = new Uint16Array(aligned(fp16));
    const { y } = await session.run({ x: new ort.Tensor('float16', bits, [bits.length]) });
    const view = y?.data as Uint16Array;
    expect(Buffer.from(view.buffer, view.byteOffset, view.byteLength)).toEqual(fp16);
    await session.release();
    for (const way of [stage.ways.node, stage.ways.gateway])
      expect(await asBytes(way, 'FP16', fp16.length / 2, fp16)).toEqual(fp16);
  });
});

describe('a number that does not fit', () => {
  it.each([
    ['INT64', '9223372036854775808'],
    ['UINT64', '-1'],
    ['UINT64', '18446744073709551616'],
    ['INT8', '128'],
    ['UINT8', '-1'],
    ['INT32', '1.5'],
    ['INT64', '1.5'],
    ['INT32', 'NaN'],
    ['BOOL', '2'],
    ['BYTES', '1'],
  ])('of %s: %s is refused', async (type, token) => {
    const body = `{"inputs":[{"name":"x","datatype":"${type}","shape":[1],"data":[${token}]}]}`;
    const answer = await stage.ways.node.send({ method: 'POST', path: path(type), body });
    expect(answer.status).toBe(400);
    expect(answer.json).toEqual({ error: expect.stringContaining('x') });
  });
});
