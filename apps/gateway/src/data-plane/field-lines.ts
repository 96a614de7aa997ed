/** Field lines of a message's head (RFC 9112 §5), read strictly: no folding, no bare line ends, no blank before the colon. Pure. */

export function charSet(chars: string): Uint8Array {
  const set = new Uint8Array(256);
  for (const char of chars) set[char.charCodeAt(0)] = 1;
  return set;
}

const charRange = (from: number, to: number): string =>
  String.fromCharCode(...Array.from({ length: to - from }, (_, i) => from + i));

/** RFC 9110 §5.6.2. */
const isTokenChar = charSet("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
/** Visible ASCII, space and tab: no control characters, and none of the bytes above ASCII (RFC 9110 §5.5). */
export const asciiValue = charSet(`\t${charRange(0x20, 0x7f)}`);
/** With what RFC 9110 §5.5 calls obs-text. */
export const anyValue = charSet(`\t${charRange(0x20, 0x7f)}${charRange(0x80, 0x100)}`);

const [tab, space, lineFeed, carriageReturn, colon] = [9, 32, 10, 13, 58];

/**
 * Gives each field to `take`, its name in lower case and its value without the blanks around it, until that refuses one.
 * @param text Latin-1, up to and with the line end of the last field
 * @param valueChars what a value may have
 * @returns false when a line is no field, or was refused
 */
export function readFieldLines(
  text: string,
  from: number,
  valueChars: Uint8Array,
  take: (name: string, value: string) => boolean,
): boolean {
  for (let at = from; at < text.length;) {
    const nameEnd = skip(text, at, isTokenChar);
    if (nameEnd === at || text.charCodeAt(nameEnd) !== colon) return false;
    let valueStart = nameEnd + 1;
    while (isBlank(text.charCodeAt(valueStart))) valueStart += 1;
    const lineEnd = skip(text, valueStart, valueChars);
    if (text.charCodeAt(lineEnd) !== carriageReturn || text.charCodeAt(lineEnd + 1) !== lineFeed)
      return false;
    let valueEnd = lineEnd;
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd -= 1;
    if (!take(text.slice(at, nameEnd).toLowerCase(), text.slice(valueStart, valueEnd))) return false;
    at = lineEnd + 2;
  }
  return true;
}

const isBlank = (code: number): boolean => code === space || code === tab;

function skip(text: string, from: number, set: Uint8Array): number {
  let at = from;
  while (set[text.charCodeAt(at)] === 1) at += 1;
  return at;
}
