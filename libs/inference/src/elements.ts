/**
 * JSON values → elements of a typed array, checked one by one: kind, range, exactness. Data may be nested exactly as the
 * shape says, or flat in row-major order. Nothing is allocated before the caller has checked the count.
 */
import type { Datatype } from '#contracts/tensors';
import { invalidTensor } from './errors.js';
import { tokenOf } from './json-tokens.js';
import { allocate } from './tensor.js';
import type { ElementArrays, Elements } from './tensor.js';

/** Writes `values` from `offset` on; returns the index of the first value that does not fit, or -1. */
type Fill<E> = (out: E, offset: number, values: readonly unknown[]) => number;

const fillIntegers =
  (min: number, max: number): Fill<{ [index: number]: number }> =>
  (out, offset, values) => {
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i];
      if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) return i;
      out[offset + i] = value;
    }
    return -1;
  };

const bigLimits = {
  INT64: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
  UINT64: { min: 0n, max: 2n ** 64n - 1n },
} as const;

/** Exact integers only: a JSON integer of any length, or a decimal string. A rounded double is refused. */
function toBigInt(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value !== 'string') return undefined;
  const digits = tokenOf(value) ?? value;
  return digits.length <= 40 && /^-?\d+$/.test(digits) ? BigInt(digits) : undefined;
}

const fillBigIntegers =
  ({ min, max }: { readonly min: bigint; readonly max: bigint }): Fill<{ [index: number]: bigint }> =>
  (out, offset, values) => {
    for (let i = 0; i < values.length; i += 1) {
      const value = toBigInt(values[i]);
      if (value === undefined || value < min || value > max) return i;
      out[offset + i] = value;
    }
    return -1;
  };

/** A number, or one of the tokens that JSON.parse cannot give as one. */
function toNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  const token = typeof value === 'string' ? tokenOf(value) : undefined;
  return token === undefined ? undefined : Number(token);
}

/** The largest double that still rounds to a finite float32. */
const maxFloat32 = 3.4028235677973362e38;

const fillFloat32: Fill<Float32Array> = (out, offset, values) => {
  for (let i = 0; i < values.length; i += 1) {
    const value = toNumber(values[i]);
    if (value === undefined) return i;
    if ((value > maxFloat32 || value < -maxFloat32) && Number.isFinite(value)) return i;
    out[offset + i] = value;
  }
  return -1;
};

const fillFloat64: Fill<Float64Array> = (out, offset, values) => {
  for (let i = 0; i < values.length; i += 1) {
    const value = toNumber(values[i]);
    if (value === undefined) return i;
    out[offset + i] = value;
  }
  return -1;
};

const fillBooleans: Fill<Uint8Array> = (out, offset, values) => {
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i];
    if (value === true || value === 1) out[offset + i] = 1;
    else if (value !== false && value !== 0) return i;
  }
  return -1;
};

const fillStrings: Fill<string[]> = (out, offset, values) => {
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i];
    if (typeof value !== 'string' || tokenOf(value) !== undefined) return i;
    out[offset + i] = value;
  }
  return -1;
};

interface Filler<E> {
  readonly fill: Fill<E>;
  readonly expected: string;
}
const integers = (min: number, max: number) => ({
  fill: fillIntegers(min, max),
  expected: `integers from ${min} to ${max}`,
});
const bigIntegers = (limits: { readonly min: bigint; readonly max: bigint }) => ({
  fill: fillBigIntegers(limits),
  expected: `integers from ${limits.min} to ${limits.max}`,
});

type JsonDatatype = Exclude<Datatype, 'FP16'>;
const fillers: { readonly [D in JsonDatatype]: Filler<ElementArrays[D]> } = {
  BOOL: { fill: fillBooleans, expected: 'true or false' },
  UINT8: integers(0, 0xff),
  UINT16: integers(0, 0xffff),
  UINT32: integers(0, 0xffff_ffff),
  UINT64: bigIntegers(bigLimits.UINT64),
  INT8: integers(-0x80, 0x7f),
  INT16: integers(-0x8000, 0x7fff),
  INT32: integers(-0x8000_0000, 0x7fff_ffff),
  INT64: bigIntegers(bigLimits.INT64),
  FP32: { fill: fillFloat32, expected: 'numbers within the range of a 32-bit float' },
  FP64: { fill: fillFloat64, expected: 'numbers' },
  BYTES: { fill: fillStrings, expected: 'strings' },
};

/** Triton's words for the datatype that JSON cannot carry. */
const noFloat16 = 'sending FP16 data via JSON is not supported. Please use the binary data format';

/** @throws TensorError for FP16, which the protocol leaves without a JSON form */
export function assertJsonDatatype(datatype: Datatype, where: string): asserts datatype is JsonDatatype {
  if (datatype === 'FP16') throw invalidTensor(`${noFloat16} for ${where}`);
}

const show = (value: unknown): string => {
  const text = typeof value === 'string' ? (tokenOf(value) ?? JSON.stringify(value)) : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

type Rows = readonly (readonly unknown[])[];

/**
 * Reads `data` into a new array of `count` elements; `count` is the product of `shape`.
 * @throws TensorError that names the input and the element
 */
export function readElements(
  input: string,
  datatype: Datatype,
  shape: readonly number[],
  count: number,
  data: unknown,
): Elements {
  assertJsonDatatype(datatype, `input '${input}'`);
  const values: unknown = shape.length === 0 && !Array.isArray(data) ? [data] : data;
  if (!Array.isArray(values)) throw invalidTensor(`input '${input}': data must be an array`);
  const rows: Rows = shape.length > 1 && Array.isArray(values[0]) ? rowsOf(input, shape, values) : [values];
  const present = rows.reduce((sum, row) => sum + row.length, 0);
  if (present !== count)
    throw invalidTensor(
      `input '${input}': data has ${present} elements, shape [${shape.join(', ')}] needs ${count}`,
    );
  const elements = allocate(datatype, count);
  fillRows(input, datatype, elements, rows);
  return elements;
}

/** The innermost arrays of nested data, whose lengths have all been checked against the shape. */
function rowsOf(input: string, shape: readonly number[], values: readonly unknown[]): Rows {
  let level: readonly unknown[] = [values];
  for (const [depth, dimension] of shape.entries()) {
    for (const entry of level)
      if (!Array.isArray(entry) || entry.length !== dimension)
        throw invalidTensor(
          `input '${input}': data must be flat or nested as its shape [${shape.join(', ')}]; ` +
            `at depth ${depth} it has ${Array.isArray(entry) ? `${entry.length} elements` : show(entry)} instead of ${dimension} elements`,
        );
    if (depth < shape.length - 1) level = (level as Rows).flat();
  }
  return level as Rows;
}

function fillRows(input: string, datatype: JsonDatatype, elements: Elements, rows: Rows): void {
  // The table binds each filler to the array of its datatype, which the type of a looked-up entry cannot say.
  const { fill, expected } = fillers[datatype] as Filler<Elements>;
  let offset = 0;
  for (const row of rows) {
    const bad = fill(elements, offset, row);
    if (bad >= 0)
      throw invalidTensor(
        `input '${input}': element ${offset + bad} is ${show(row[bad])}; ${datatype} takes ${expected}`,
      );
    offset += row.length;
  }
}
