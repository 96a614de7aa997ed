/**
 * 32-bit floats → the shortest decimal that reads back as the same 32-bit float, also by way of a double. It is half as long
 * as the digits of the double, and needs no big numbers: nine digits always do (IEEE 754-2019, 5.12.2). Very large and very
 * small values are rare and get the digits of the double.
 */
import { exactPowers, isSurelySingle } from './json-numbers.js';

const fewestDigits = 6;
const mostDigits = 9;

/** Appends digits to a buffer that is large enough for `count` floats. */
class FloatWriter {
  private readonly out: Buffer;
  private pos = 0;

  /** A float takes 26 bytes at most, comma and all, as -0.0000012345678901234567 does. */
  constructor(count: number) {
    this.out = Buffer.allocUnsafe(count * 26);
  }

  text(): string {
    return this.out.toString('latin1', 0, this.pos);
  }

  comma(): void {
    this.out[this.pos] = 0x2c;
    this.pos += 1;
  }

  write(value: number): void {
    const size = Math.abs(value);
    if (size < 1e9 && Math.trunc(value) === value && !Object.is(value, -0)) this.writeInteger(value);
    else if (!(size >= 1e-4 && size < 1e6) || !this.writeShort(value, size)) this.writeSlowly(value);
  }

  private writeSlowly(value: number): void {
    this.pos += this.out.write(Object.is(value, -0) ? '-0' : String(value), this.pos, 'latin1');
  }

  private writeInteger(value: number): void {
    if (value < 0) this.sign();
    const size = Math.abs(value);
    let digits = 1;
    for (let limit = 10; size >= limit; limit *= 10) digits += 1;
    this.writeDigits(size, digits);
  }

  private sign(): void {
    this.out[this.pos] = 0x2d;
    this.pos += 1;
  }

  /** Writes `digits` digits of `integer`. */
  private writeDigits(integer: number, digits: number): void {
    const { out } = this;
    let rest = integer | 0;
    for (let at = this.pos + digits - 1; at >= this.pos; at -= 1) {
      const shorter = (rest / 10) | 0;
      out[at] = 0x30 + (rest - shorter * 10);
      rest = shorter;
    }
    this.pos += digits;
  }

  /** Tries decimals with more and more digits; false when none is certain. */
  private writeShort(value: number, size: number): boolean {
    let integerDigits = 0;
    while (size >= (exactPowers[integerDigits] ?? 0)) integerDigits += 1;
    let leadingZeros = 0;
    for (let limit = 0.1; size < limit; limit /= 10) leadingZeros += 1;
    for (let digits = fewestDigits; digits <= mostDigits; digits += 1) {
      const decimals = digits - integerDigits + leadingZeros;
      const power = exactPowers[decimals] ?? 1;
      const scaled = Math.round(size * power);
      const read = scaled / power;
      if (Math.fround(read) !== size || !isSurelySingle(read)) continue;
      this.writeDecimal(value, scaled, decimals, power);
      return true;
    }
    return false;
  }

  private writeDecimal(value: number, scaled: number, decimals: number, power: number): void {
    if (value < 0) this.sign();
    const whole = Math.floor(scaled / power);
    this.writeInteger(whole);
    let fraction = scaled - whole * power;
    let digits = decimals;
    while (digits > 1 && fraction % 10 === 0) {
      fraction /= 10;
      digits -= 1;
    }
    this.out[this.pos] = 0x2e;
    this.pos += 1;
    // At most 13 digits follow the point, of which the first ones are zero.
    this.writeDigits(fraction, digits);
  }
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
