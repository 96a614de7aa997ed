/**
 * Decimal text → the nearest double, exactly as JSON.parse rounds it, without making a string. Up to 15 digits with a
 * small power of ten are exact in doubles (Clinger, "How to read floating point numbers accurately", 1990); 16 to 19
 * digits are divided in double-double arithmetic, and the result is taken when its rounding is beyond doubt.
 */

/** Powers of ten that a double holds exactly. */
export const exactPowers: readonly number[] = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));

/** 2^27 + 1, which splits a double into halves whose products are exact (Dekker, 1971). */
const splitter = 134_217_729;

const powersHigh = exactPowers.map((power) => splitter * power - (splitter * power - power));
const powersLow = exactPowers.map((power, index) => power - (powersHigh[index] ?? 0));

/**
 * (`lead` × 10^`shift` + `rest`) ÷ 10^`power`, or NaN when rounding needs more digits than this has.
 * `lead` has at most 15 digits, `rest` fewer than 10^`shift`, `shift` ≤ 4 and `power` ≤ 22.
 */
export function divideLong(lead: number, shift: number, rest: number, power: number): number {
  const scale = exactPowers[shift] ?? 1;
  // 15 digits have 50 bits: the upper ones times 10^4 are exact, and so are the lower ones.
  const upper = Math.floor(lead / 134_217_728);
  const high = upper * 134_217_728 * scale;
  const low = (lead - upper * 134_217_728) * scale + rest;
  const sum = high + low;
  const sumError = low - (sum - high);
  const divisor = exactPowers[power] ?? 1;
  const quotient = sum / divisor;
  const product = quotient * divisor;
  const carry = splitter * quotient;
  const quotientHigh = carry - (carry - quotient);
  const quotientLow = quotient - quotientHigh;
  const divisorHigh = powersHigh[power] ?? 1;
  const divisorLow = powersLow[power] ?? 0;
  const productError =
    quotientLow * divisorLow -
    (product - quotientHigh * divisorHigh - quotientLow * divisorHigh - quotientHigh * divisorLow);
  const correction = (sum - product - productError + sumError) / divisor;
  const doubt = quotient * 2 ** -96;
  const result = quotient + (correction + doubt);
  return result === quotient + (correction - doubt) ? result : Number.NaN;
}

/** The arrays whose elements are numbers. */
export type PlainArray =
  Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** What counts as plain, and how many the last run read. */
export interface PlainNumbers {
  readonly min: number;
  readonly max: number;
  readonly hasFractions: boolean;
  count: number;
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/**
 * Whether the double nearest to `value`, which is off by less than 8 units in its last place, certainly rounds to the same
 * single: the lower 29 bits, which a single lacks, must not be near their middle.
 */
export function isSurelySingle(value: number): boolean {
  double[0] = value;
  const surplus = ((words[0] ?? 0) & 0x1fff_ffff) - 0x1000_0000;
  return surplus > 16 || surplus < -16;
}

const zero = 0x30;
const nine = 0x39;
const point = 0x2e;

/** Where the last fraction ended; a result beside the value, without an allocation per number. */
let fractionEnd = 0;

/** Reads the digits after a point, which follow the integer `whole`; NaN when they need a closer look. */
function readFraction(bytes: Uint8Array, start: number, whole: number, isSingle: boolean): number {
  let pos = start;
  let lead = whole;
  let byte = bytes[pos] ?? 0;
  while (byte >= zero && byte <= nine && lead < 1e14) {
    lead = lead * 10 + (byte - zero);
    byte = bytes[++pos] ?? 0;
  }
  const restAt = pos;
  let rest = 0;
  while (byte >= zero && byte <= nine) {
    rest = rest * 10 + (byte - zero);
    byte = bytes[++pos] ?? 0;
  }
  fractionEnd = pos;
  const shift = pos - restAt;
  const power = pos - start;
  if (power === 0 || power > 22 || shift > 4) return Number.NaN;
  if (shift === 0) return lead / (exactPowers[power] ?? 1);
  if (!isSingle) return divideLong(lead, shift, rest, power);
  const value = (lead * (exactPowers[shift] ?? 1) + rest) / (exactPowers[power] ?? 1);
  return isSurelySingle(value) ? value : Number.NaN;
}

/** The hot loop of all JSON decoding: see `JsonScanner.readPlainNumbers`. Returns the new position. */
export function readPlainNumbers(
  bytes: Uint8Array,
  start: number,
  out: PlainArray,
  from: number,
  to: number,
  plain: PlainNumbers,
): number {
  const { min, max, hasFractions } = plain;
  const isSingle = out instanceof Float32Array;
  let index = from;
  let valueAt = start;
  while (index < to) {
    let pos = valueAt;
    let byte = bytes[pos] ?? 0;
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++pos] ?? 0;
    const isNegative = byte === 0x2d;
    if (isNegative) byte = bytes[++pos] ?? 0;
    const digitsAt = pos;
    let value = 0;
    while (byte >= zero && byte <= nine && value < 1e14) {
      value = value * 10 + (byte - zero);
      byte = bytes[++pos] ?? 0;
    }
    const digits = pos - digitsAt;
    if (digits === 0 || (digits > 1 && bytes[digitsAt] === zero)) break;
    if (byte === point) {
      if (!hasFractions) break;
      value = readFraction(bytes, pos + 1, value, isSingle);
      pos = fractionEnd;
      byte = bytes[pos] ?? 0;
    }
    if (isNegative) value = -value;
    // NaN is within no bounds.
    if (byte !== 0x2c || !(value >= min && value <= max)) break;
    out[index] = value;
    index += 1;
    valueAt = pos + 1;
  }
  plain.count = index - from;
  return valueAt;
}
