/**
 * JSON values → elements of one tensor, read from the scanner straight into the typed array and checked one by one: kind,
 * range, exactness. A column knows nothing of shapes beyond its capacity; `readNested` finds the shape of what it reads.
 */
import { isUtf8 } from 'node:buffer';
import type { Datatype } from '#contracts/tensors';
import type { TensorError } from './errors.js';
import { closeArray, openArray, openObject, quote } from './json-scanner.js';
import type { PlainArray, PlainNumbers } from './json-numbers.js';
import type { JsonScanner } from './json-scanner.js';
import { allocate } from './tensor.js';
import type { ElementArrays, Elements } from './tensor.js';

/** How the protocol words what is wrong with the data of one tensor. */
export interface Complaints {
  /** The value `text` at `index` is not one of `expected`. */
  misfit(index: number, text: string, expected: string): TensorError;
  /** An array at `level` has `found` entries where its sibling has `expected`, or none where arrays are expected. */
  ragged(level: number, found: number | 'no array', expected: number): TensorError;
  tooMany(most: number): TensorError;
}

/** Thrown by the readers of single values; the column words it. */
const misfit = new Error('misfit');

type Read<V> = (scanner: JsonScanner) => V;
interface Reader<V> {
  readonly read: Read<V>;
  readonly expected: string;
  /** Which numbers need no closer look. */
  readonly plain?: PlainNumbers;
}

const isNumeric = (byte: number): boolean => (byte >= 0x30 && byte <= 0x39) || byte === 0x2d;

const integers = (min: number, max: number): Reader<number> => ({
  plain: { min, max, hasFractions: false, count: 0 },
  expected: `integers from ${min} to ${max}`,
  read: (scanner) => {
    if (!isNumeric(scanner.peek())) throw misfit;
    const value = scanner.readNumber();
    if (!Number.isInteger(value) || value < min || value > max) throw misfit;
    return value;
  },
});

/** Exact integers only: a JSON integer of any length, or a decimal string. A rounded double is refused. */
function readBigInt(scanner: JsonScanner): bigint {
  const byte = scanner.peek();
  if (byte === quote) {
    const text = scanner.readString();
    if (!/^-?\d{1,40}$/.test(text)) throw misfit;
    return BigInt(text);
  }
  if (!isNumeric(byte)) throw misfit;
  const start = scanner.pos;
  const value = scanner.readNumber();
  if (Number.isSafeInteger(value)) return BigInt(value);
  const text = scanner.text(start, scanner.pos, 40);
  if (!/^-?\d+$/.test(text)) throw misfit;
  return BigInt(text);
}

const bigIntegers = (min: bigint, max: bigint): Reader<bigint> => ({
  expected: `integers from ${min} to ${max}`,
  read: (scanner) => {
    const value = readBigInt(scanner);
    if (value < min || value > max) throw misfit;
    return value;
  },
});

/** JSON.stringify cannot write what is not finite, so its callers may send the words as strings. */
const spelled: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

function readSpelled(scanner: JsonScanner): number {
  const value = spelled.get(scanner.readString());
  if (value === undefined) throw misfit;
  return value;
}

/** Numbers up to `largest`, NaN and the infinities; 1e400 is none of them. */
const floats = (largest: number, expected: string): Reader<number> => ({
  plain: { min: -largest, max: largest, hasFractions: true, count: 0 },
  expected,
  read: (scanner) => {
    const byte = scanner.peek();
    if (byte === quote) return readSpelled(scanner);
    const start = scanner.pos;
    if (!isNumeric(byte) && byte !== 0x4e && byte !== 0x49) throw misfit;
    const value = scanner.readNumber();
    if (value <= largest && value >= -largest) return value;
    if (Number.isFinite(value) || /\d/.test(scanner.text(start, scanner.pos, 2))) throw misfit;
    return value;
  },
});

/** 1 and 0 are accepted for true and false. */
const booleans: Reader<number> = {
  expected: 'true or false',
  read: (scanner) => {
    if ([openArray, openObject].includes(scanner.peek())) throw misfit;
    const value = scanner.readScalar();
    if (value === true || value === 1) return 1;
    if (value === false || value === 0) return 0;
    throw misfit;
  },
};

/** A half of a surrogate pair has no UTF-8 form, and the model takes UTF-8 only. */
const loneSurrogate = /\p{Surrogate}/u;
const strings: Reader<string> = {
  expected: 'strings of UTF-8',
  read: (scanner) => {
    const byte = scanner.peek();
    if (byte === openObject) return readBase64(scanner);
    if (byte !== quote) throw misfit;
    const text = scanner.readString();
    if (loneSurrogate.test(text)) throw misfit;
    return text;
  },
};

/** TensorFlow Serving's form of bytes: `{"b64": "…"}`. */
function readBase64(scanner: JsonScanner): string {
  const value = scanner.readValue();
  const text = value instanceof Map && value.size === 1 ? value.get('b64') : undefined;
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw misfit;
  const bytes = Buffer.from(text, 'base64');
  if (!isUtf8(bytes)) throw misfit;
  return bytes.toString('utf8');
}

/** The largest double that still rounds to a finite float32. */
const maxFloat32 = 3.4028235677973362e38;

export type JsonDatatype = Exclude<Datatype, 'FP16'>;
const readers: { readonly [D in JsonDatatype]: Reader<ElementArrays[D][number]> } = {
  BOOL: booleans,
  UINT8: integers(0, 0xff),
  UINT16: integers(0, 0xffff),
  UINT32: integers(0, 0xffff_ffff),
  UINT64: bigIntegers(0n, 2n ** 64n - 1n),
  INT8: integers(-0x80, 0x7f),
  INT16: integers(-0x8000, 0x7fff),
  INT32: integers(-0x8000_0000, 0x7fff_ffff),
  INT64: bigIntegers(-(2n ** 63n), 2n ** 63n - 1n),
  FP32: floats(maxFloat32, 'numbers within the range of a 32-bit float'),
  FP64: floats(Number.MAX_VALUE, 'numbers within the range of a 64-bit float'),
  BYTES: strings,
};

export interface ColumnOptions {
  readonly datatype: JsonDatatype;
  /** Elements allotted at once. */
  readonly capacity: number;
  /** Where growth ends. */
  readonly most: number;
  readonly complaints: Complaints;
}

type Writable = { [index: number]: unknown };

export class JsonColumn {
  private out: Elements;
  private capacity: number;
  private length = 0;
  private readonly reader: Reader<unknown>;

  constructor(private readonly options: ColumnOptions) {
    this.capacity = options.capacity;
    this.out = options.datatype === 'BYTES' ? [] : allocate(options.datatype, options.capacity);
    this.reader = readers[options.datatype];
  }

  get count(): number {
    return this.length;
  }

  /** What has been read so far. */
  elements(): Elements {
    return this.length === this.out.length ? this.out : this.out.slice(0, this.length);
  }

  /** Reads values up to the closing bracket, which it reads as well; returns how many. */
  readRow(scanner: JsonScanner): number {
    const { read, plain } = this.reader;
    const start = this.length;
    let valueAt = scanner.pos;
    try {
      do {
        if (plain)
          this.length += scanner.readPlainNumbers(this.out as PlainArray, this.length, this.capacity, plain);
        if (this.length === this.capacity) this.grow();
        scanner.peek();
        valueAt = scanner.pos;
        (this.out as Writable)[this.length] = read(scanner);
        this.length += 1;
      } while (scanner.more(closeArray));
    } catch (error) {
      throw error === misfit ? this.misfitAt(scanner, valueAt) : error;
    }
    return this.length - start;
  }

  /** Reads one value that stands outside of any array. */
  readOne(scanner: JsonScanner): void {
    if (this.length === this.capacity) this.grow();
    scanner.peek();
    const valueAt = scanner.pos;
    try {
      (this.out as Writable)[this.length] = this.reader.read(scanner);
    } catch (error) {
      throw error === misfit ? this.misfitAt(scanner, valueAt) : error;
    }
    this.length += 1;
  }

  ragged(level: number, found: number | 'no array', expected: number): TensorError {
    return this.options.complaints.ragged(level, found, expected);
  }

  private misfitAt(scanner: JsonScanner, valueAt: number): TensorError {
    scanner.pos = valueAt;
    scanner.skip();
    const text = scanner.text(valueAt, scanner.pos, 60);
    return this.options.complaints.misfit(this.length, text, this.reader.expected);
  }

  private grow(): void {
    const { datatype, most, complaints } = this.options;
    if (this.length >= most) throw complaints.tooMany(most);
    this.capacity = Math.min(most, Math.max(16, this.capacity * 2));
    if (Array.isArray(this.out)) return;
    const grown = allocate(datatype, this.capacity);
    // Both are of the same datatype, which the type of `Elements` cannot say.
    (grown as Float64Array).set(this.out as Float64Array);
    this.out = grown;
  }
}

/** Reads a value nested to any depth whose arrays are all alike at each level; returns its shape, [] for a scalar. */
export function readNested(scanner: JsonScanner, column: JsonColumn): number[] {
  const shape: number[] = [];
  let rank = -1;
  const readLevel = (level: number): void => {
    if (scanner.peek() !== openArray) {
      if (rank < 0) rank = level;
      else if (rank !== level) throw column.ragged(level, 'no array', shape[level] ?? 0);
      column.readOne(scanner);
      return;
    }
    if (shape.length === level) shape.push(-1);
    let count = 0;
    if (!scanner.enter(openArray)) rank = rank < 0 ? level + 1 : rank;
    else if (scanner.peek() !== openArray && (rank < 0 || rank === level + 1)) {
      rank = level + 1;
      count = column.readRow(scanner);
    } else if (rank === level + 1) column.readRow(scanner);
    else
      do {
        readLevel(level + 1);
        count += 1;
      } while (scanner.more(closeArray));
    if (shape[level] === -1) shape[level] = count;
    else if (shape[level] !== count) throw column.ragged(level, count, shape[level] ?? 0);
  };
  readLevel(0);
  return shape;
}
