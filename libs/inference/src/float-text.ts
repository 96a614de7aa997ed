/**
 * 32-bit floats → the shortest decimal that reads back as the same 32-bit float, also by way of a double. It is half as long
 * as the digits of the double, and needs no big numbers: nine digits always do (IEEE 754-2019, 5.12.2). Only subnormal
 * values, -0 and what is not finite are written by JavaScript itself.
 */
import { isSurelySingle } from './json-numbers.js';

const fewestDigits = 6;
const mostDigits = 9;
/** Below, a single has fewer than 24 bits, which `isSurelySingle` counts on. */
const leastNormal = 2 ** -126;
const largest = 3.4028234663852886e38;
/** Outside of these decimal exponents a number is written as 1.5e-9, as JavaScript does for small ones. */
const leastPlain = -7;
const mostPlain = 8;

const ascii = { zero: 0x30, comma: 0x2c, minus: 0x2d, point: 0x2e, exponent: 0x65 } as const;

/** Powers of ten from 10^-38 to 10^46; those that no double holds are the nearest. */
const lowestPower = -38;
const powers = Float64Array.from({ length: 85 }, (_, index) => Number(`1e${index + lowestPower}`));
const powerOf = (exponent: number): number => powers[exponent - lowestPower] ?? 1;

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/** The decimal exponent of a normal single, perhaps one too small where it is next to a power of ten. */
function exponentOf(size: number): number {
  single[0] = size;
  const binary = ((bits[0] ?? 0) >>> 23) - 127;
  const low = Math.floor(binary * Math.LOG10E * Math.LN2);
  return low < 38 && size >= powerOf(low + 1) ? low + 1 : low;
}

/** Appends digits to a buffer that is large enough for `count` floats. */
class FloatWriter {
  private readonly out: Buffer;
  private pos = 0;

  /** A float takes 26 bytes at most, comma and all. */
  constructor(count: number) {
    this.out = Buffer.allocUnsafe(count * 26);
  }

  text(): string {
    return this.out.toString('latin1', 0, this.pos);
  }

  comma(): void {
    this.put(ascii.comma);
  }

  write(value: number): void {
    const size = Math.abs(value);
    if (size < 1e9 && Math.trunc(value) === value && !Object.is(value, -0)) {
      if (value < 0) this.put(ascii.minus);
      this.writeDigits(size, digitsOf(size));
    } else if (!(size >= leastNormal && size <= largest) || !this.writeShort(value, size))
      this.writeSlowly(value);
  }

  private put(byte: number): void {
    this.out[this.pos] = byte;
    this.pos += 1;
  }

  private writeSlowly(value: number): void {
    this.pos += this.out.write(Object.is(value, -0) ? '-0' : String(value), this.pos, 'latin1');
  }

  /** Writes the last `digits` digits of `integer`, with zeros in front where it has fewer. */
  private writeDigits(integer: number, digits: number): void {
    const { out } = this;
    let rest = integer | 0;
    for (let at = this.pos + digits - 1; at >= this.pos; at -= 1) {
      const shorter = (rest / 10) | 0;
      out[at] = ascii.zero + (rest - shorter * 10);
      rest = shorter;
    }
    this.pos += digits;
  }

  /**
   * Tries decimals with more and more digits; false when none is certain. Products and quotients are off by few units in
   * the last place of a double, which is what `isSurelySingle` allows for.
   */
  private writeShort(value: number, size: number): boolean {
    const exponent = exponentOf(size);
    for (let digits = fewestDigits; digits <= mostDigits; digits += 1) {
      const power = digits - 1 - exponent;
      const scale = powerOf(power < 0 ? -power : power);
      const scaled = Math.round(power < 0 ? size / scale : size * scale);
      const read = power < 0 ? scaled * scale : scaled / scale;
      if (Math.fround(read) !== size || !isSurelySingle(read)) continue;
      if (value < 0) this.put(ascii.minus);
      this.writeDecimal(scaled, -power);
      return true;
    }
    return false;
  }

  /** Writes `scaled` × 10^`tens`. */
  private writeDecimal(scaled: number, tens: number): void {
    let rest = scaled | 0;
    let power = tens;
    while (rest % 10 === 0) {
      rest = (rest / 10) | 0;
      power += 1;
    }
    const exponent = power + digitsOf(rest) - 1;
    if (exponent < leastPlain || exponent > mostPlain) this.writePointed(rest, exponent - power, exponent);
    // What has no fraction was written as an integer.
    else this.writePointed(rest, -power, 0);
  }

  /** Writes `integer` with its last `decimals` digits behind a point, and the exponent if there is one. */
  private writePointed(integer: number, decimals: number, exponent: number): void {
    const scale = powerOf(decimals);
    const whole = Math.floor(integer / scale);
    this.writeDigits(whole, digitsOf(whole));
    if (decimals > 0) {
      this.put(ascii.point);
      this.writeDigits(integer - whole * scale, decimals);
    }
    if (exponent === 0) return;
    this.put(ascii.exponent);
    if (exponent < 0) this.put(ascii.minus);
    const size = Math.abs(exponent);
    this.writeDigits(size, digitsOf(size));
  }
}

/** Decimal digits of an integer below 10^10; one for zero. */
function digitsOf(integer: number): number {
  let digits = 1;
  for (let limit = 10; integer >= limit; limit *= 10) digits += 1;
  return digits;
}

/** All of `elements`, separated by commas. */
export function singlesText(elements: Float32Array): string {
  const writer = new FloatWriter(elements.length);
  for (let index = 0; index < elements.length; index += 1) {
    if (index > 0) writer.comma();
    writer.write(elements[index] ?? 0);
  }
  return writer.text();
}
