/**
 * Reads JSON (RFC 8259) token by token from bytes that are known to be UTF-8, so that tensors need not become JavaScript
 * values. It owns position, depth and syntax errors, and knows nothing of tensors. Numbers are the doubles of JSON.parse;
 * keys may not repeat. It must never recurse deeper than `maxDepth`.
 */
import { isUtf8 } from 'node:buffer';
import { TensorError, invalidJson } from './errors.js';
import { NumberReader, isDigit } from './json-number.js';
import { readPlainNumbers } from './json-numbers.js';
import type { PlainArray, PlainNumbers } from './json-numbers.js';

export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;
export type JsonObject = Map<string, JsonValue>;

const ascii = (char: string): number => char.charCodeAt(0);
export const quote = 0x22;
export const comma = 0x2c;
export const openArray = 0x5b;
export const closeArray = 0x5d;
export const openObject = 0x7b;
export const closeObject = 0x7d;
const colon = 0x3a;
const minus = 0x2d;
const backslash = 0x5c;
const space = 0x20;

/** The end of the bytes reads as NUL, which no token contains. */
const end = 0;
/** Strings up to this are kept for the next body: keys and names come again and again. */
const maxKnownLength = 24;
const knownSlots = 256;

const nothing = Buffer.alloc(0);

/** The words of JSON, and those that Python's json and TensorFlow Serving write for what is no finite number. */
const constants: ReadonlyMap<number, readonly [text: string, value: number | boolean | null]> = new Map([
  [ascii('t'), ['true', true]],
  [ascii('f'), ['false', false]],
  [ascii('n'), ['null', null]],
  [ascii('N'), ['NaN', Number.NaN]],
  [ascii('I'), ['Infinity', Infinity]],
] as const);

export class JsonScanner {
  pos = 0;
  private depth = 0;
  private bytes: Buffer = nothing;
  private length = 0;
  private readonly numbers = new NumberReader();
  private readonly known: string[] = Array.from({ length: knownSlots }, () => '');

  constructor(private readonly maxDepth: number) {}

  /** Begins a new document. */
  open(bytes: Buffer): void {
    if (!isUtf8(bytes)) throw new TensorError('INVALID_JSON', 'The body is not valid UTF-8.');
    this.bytes = bytes;
    this.length = bytes.length;
    this.pos = 0;
    this.depth = 0;
  }

  /** Lets go of the document. */
  close(): void {
    this.bytes = nothing;
  }

  /** Goes back to `pos`, outside of all that has been entered since it was passed, or at the top of the document. */
  reenter(pos: number): void {
    this.pos = pos;
    this.depth = 1;
  }

  get bytesLeft(): number {
    return this.length - this.pos;
  }

  /** The next byte that is not white space, which stays unread. */
  peek(): number {
    const { bytes } = this;
    let { pos } = this;
    let byte = bytes[pos] ?? end;
    while (byte <= space && (byte === space || byte === 0x0a || byte === 0x0d || byte === 0x09)) {
      pos += 1;
      byte = bytes[pos] ?? end;
    }
    this.pos = pos;
    return byte;
  }

  private expect(byte: number): void {
    if (this.peek() !== byte) throw this.unexpected();
    this.pos += 1;
  }

  /** Reads the opening bracket; true when the array or object is not empty. */
  enter(opening: typeof openArray | typeof openObject): boolean {
    this.expect(opening);
    this.depth += 1;
    if (this.depth > this.maxDepth)
      throw new TensorError('INVALID_JSON', `The body nests deeper than ${this.maxDepth} levels.`);
    // Both closing brackets are two above their opening ones.
    if (this.peek() !== opening + 2) return this.continues();
    this.leave();
    return false;
  }

  /** True; a body that ends where a value must follow is cut off, whatever that value should have been. */
  private continues(): true {
    if (this.peek() === end) throw this.unexpected();
    return true;
  }

  private leave(): void {
    this.pos += 1;
    this.depth -= 1;
  }

  /** Reads a comma or the closing bracket; true when another entry follows. */
  more(closing: typeof closeArray | typeof closeObject): boolean {
    const byte = this.peek();
    if (byte === comma) {
      this.pos += 1;
      return this.continues();
    }
    if (byte !== closing) throw this.unexpected();
    this.leave();
    return false;
  }

  /** Reads each key of an object; `onKey` reads its value. Keys must differ. */
  readMembers(onKey: (key: string) => void): void {
    if (!this.enter(openObject)) return;
    const first: string[] = [];
    let others: Set<string> | undefined;
    do {
      if (this.peek() !== quote) throw this.unexpected();
      const key = this.readString();
      if (first.includes(key) || others?.has(key)) throw this.repeated(key);
      // A list is cheaper than a set, as long as it is short.
      if (first.length < 8) first.push(key);
      else others = (others ?? new Set()).add(key);
      this.expect(colon);
      this.continues();
      onKey(key);
    } while (this.more(closeObject));
  }

  /** Nothing but white space may follow. */
  finish(): void {
    if (this.peek() !== end || this.pos < this.length) throw this.unexpected();
  }

  /** Reads a string; its opening quote is the next byte. */
  readString(): string {
    const { bytes } = this;
    const start = this.pos + 1;
    let pos = start;
    let hash = 0;
    let marks = 0;
    let byte = bytes[pos] ?? end;
    while (byte !== quote && byte !== backslash) {
      if (byte < space) throw invalidJson('a string is not closed, or has a control character', pos);
      hash = (Math.imul(hash, 31) + byte) | 0;
      marks |= byte;
      pos += 1;
      byte = bytes[pos] ?? end;
    }
    if (byte === backslash) return this.readEscaped(start, pos);
    this.pos = pos + 1;
    if (marks >= 0x80) return bytes.toString('utf8', start, pos);
    return pos - start > maxKnownLength
      ? bytes.toString('latin1', start, pos)
      : this.intern(start, pos, hash);
  }

  /** Keys and names return with every body; comparing them is cheaper than making them. */
  private intern(start: number, stop: number, hash: number): string {
    const slot = (hash ^ (hash >>> 8)) & (knownSlots - 1);
    const known = this.known[slot] ?? '';
    if (known.length === stop - start) {
      let index = 0;
      while (index < known.length && known.charCodeAt(index) === this.bytes[start + index]) index += 1;
      if (index === known.length) return known;
    }
    const made = this.bytes.toString('latin1', start, stop);
    this.known[slot] = made;
    return made;
  }

  private readEscaped(start: number, firstEscape: number): string {
    let pos = firstEscape;
    for (let byte = this.bytes[pos] ?? end; byte !== quote; byte = this.bytes[pos] ?? end) {
      if (byte < space) throw invalidJson('a string is not closed, or has a control character', pos);
      pos += byte === backslash ? 2 : 1;
    }
    this.pos = pos + 1;
    try {
      return JSON.parse(this.bytes.toString('utf8', start - 1, pos + 1)) as string;
    } catch {
      throw invalidJson('a string has an escape that JSON does not know', firstEscape);
    }
  }

  /**
   * Reads as many entries of an array as it plainly can, with their commas, and stops where a value begins. The last entry
   * is always left, and so is every value that is no plain number of `plain`.
   */
  readPlainNumbers(out: PlainArray, from: number, to: number, plain: PlainNumbers): number {
    this.pos = readPlainNumbers(this.bytes, this.pos, out, from, to, plain);
    return plain.count;
  }

  /** Reads a number, NaN, Infinity or -Infinity. A number too large for a double is ±Infinity, as for JSON.parse. */
  readNumber(): number {
    const { bytes, numbers } = this;
    const isNegative = bytes[this.pos] === minus;
    if (!isDigit(bytes[isNegative ? this.pos + 1 : this.pos] ?? end)) return this.readNonFinite(isNegative);
    const value = numbers.read(bytes, this.pos);
    this.pos = numbers.end;
    return value;
  }

  private readNonFinite(isNegative: boolean): number {
    if (isNegative) this.pos += 1;
    const value = this.readConstant();
    if (typeof value !== 'number' || (isNegative && Number.isNaN(value))) throw this.unexpected();
    return isNegative ? -value : value;
  }

  private readConstant(): number | boolean | null {
    const constant = constants.get(this.bytes[this.pos] ?? end);
    if (constant === undefined) throw this.unexpected();
    const [text, value] = constant;
    for (let index = 1; index < text.length; index += 1)
      if (this.bytes[this.pos + index] !== text.charCodeAt(index)) throw this.unexpected();
    this.pos += text.length;
    return value;
  }

  /** Reads anything but an array or an object. */
  readScalar(): string | number | boolean | null {
    const byte = this.peek();
    if (byte === quote) return this.readString();
    return byte === minus || isDigit(byte) ? this.readNumber() : this.readConstant();
  }

  /** Reads anything into values; for the small parts of a request. */
  readValue(): JsonValue {
    const byte = this.peek();
    if (byte === openObject) {
      const object: JsonObject = new Map();
      this.readMembers((key) => object.set(key, this.readValue()));
      return object;
    }
    if (byte !== openArray) return this.readScalar();
    const values: JsonValue[] = [];
    if (this.enter(openArray))
      do values.push(this.readValue());
      while (this.more(closeArray));
    return values;
  }

  /** Reads over anything, checking its syntax. */
  skip(): void {
    const byte = this.peek();
    if (byte === openObject) this.readMembers(() => this.skip());
    else if (byte !== openArray) this.readScalar();
    else if (this.enter(openArray))
      do this.skip();
      while (this.more(closeArray));
  }

  /** Up to `most` bytes of the text between two positions, for messages. */
  text(from: number, to: number, most: number): string {
    const text = this.bytes.toString('utf8', from, Math.min(to, from + most));
    return to - from > most ? `${text}…` : text;
  }

  /** What stands at the position cannot stand there. */
  unexpected(): TensorError {
    if (this.pos >= this.length) return invalidJson('it ends too early', this.length);
    const byte = this.bytes[this.pos] ?? end;
    return invalidJson(`unexpected ${JSON.stringify(String.fromCharCode(byte))}`, this.pos);
  }

  private repeated(key: string): TensorError {
    return new TensorError('INVALID_JSON', `The key ${JSON.stringify(key)} is given twice in one object.`);
  }
}
