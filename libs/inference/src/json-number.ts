/** One JSON number of any form → the double that JSON.parse makes of it, without a string where its digits are few. */
import { invalidJson } from './errors.js';
import { divideLong, exactPowers } from './json-numbers.js';

const minus = 0x2d;
const plus = 0x2b;
const dot = 0x2e;
const zero = 0x30;
const nine = 0x39;

export const isDigit = (byte: number): boolean => byte >= zero && byte <= nine;

export class NumberReader {
  /** Where the last number ended; a result beside the value, without an allocation per number. */
  end = 0;

  /** Reads the number at `start`, which is a digit, or a minus and a digit. @throws TensorError */
  read(bytes: Buffer, start: number): number {
    const isNegative = bytes[start] === minus;
    const integerStart = isNegative ? start + 1 : start;
    let pos = integerStart;
    let byte = bytes[pos] ?? 0;
    let lead = 0;
    let rest = 0;
    let shift = 0;
    let dotAt = 0;
    for (;;) {
      if (byte >= zero && byte <= nine) {
        if (lead < 1e14) lead = lead * 10 + (byte - zero);
        else {
          rest = rest * 10 + (byte - zero);
          shift += 1;
        }
      } else if (byte === dot && dotAt === 0) dotAt = pos;
      else break;
      pos += 1;
      byte = bytes[pos] ?? 0;
    }
    const integerEnd = dotAt === 0 ? pos : dotAt;
    if (bytes[integerStart] === zero && integerEnd > integerStart + 1)
      throw invalidJson('a number has a leading zero', start);
    if (dotAt !== 0 && pos === dotAt + 1) throw invalidJson('a number ends in a point', start);
    let power = dotAt === 0 ? 0 : dotAt + 1 - pos;
    this.end = pos;
    if (byte === 0x65 || byte === 0x45) power += this.readExponent(bytes, pos + 1);
    const size = assemble(lead, shift, rest, power);
    // The sign has no part in rounding.
    if (Number.isNaN(size)) return Number(bytes.toString('latin1', start, this.end));
    return isNegative ? -size : size;
  }

  private readExponent(bytes: Buffer, start: number): number {
    const isNegative = bytes[start] === minus;
    const digitsAt = isNegative || bytes[start] === plus ? start + 1 : start;
    let pos = digitsAt;
    let exponent = 0;
    for (let byte = bytes[pos] ?? 0; isDigit(byte); byte = bytes[pos] ?? 0) {
      exponent = Math.min(exponent * 10 + (byte - zero), 1e6);
      pos += 1;
    }
    if (pos === digitsAt) throw invalidJson('an exponent has no digits', pos);
    this.end = pos;
    return isNegative ? -exponent : exponent;
  }
}

/** (`lead` × 10^`shift` + `rest`) × 10^`power`, or NaN when that takes more than doubles. */
function assemble(lead: number, shift: number, rest: number, power: number): number {
  if (power < -22 || power > 22 || shift > 4) return Number.NaN;
  if (shift > 0) return power < 0 ? divideLong(lead, shift, rest, -power) : Number.NaN;
  return power < 0 ? lead / (exactPowers[-power] ?? 1) : lead * (exactPowers[power] ?? 1);
}
