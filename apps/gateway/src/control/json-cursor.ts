/**
 * Walks over JSON text value by value without building what it passes. The text comes in pieces, of which it holds the one at hand and
 * what of a value has begun before it. What it cuts out is for JSON.parse to judge.
 */

const [quote, backslash, comma, colon] = [34, 92, 44, 58];
const [openBracket, closeBracket, openBrace, closeBrace] = [91, 93, 123, 125];

const isBlank = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9;

export class JsonCursor {
  private text = '';
  private at = 0;
  private readonly pieces: Iterator<string>;

  constructor(pieces: Iterable<string>) {
    this.pieces = pieces[Symbol.iterator]();
  }

  /** Goes past this character if it is the next one, blanks aside. */
  takes(char: string): boolean {
    this.skipBlanks();
    if (this.text[this.at] !== char) return false;
    this.at += 1;
    return true;
  }

  /** @throws SyntaxError when another character is next */
  expect(char: string): void {
    if (!this.takes(char)) throw this.unexpected();
  }

  expectEnd(): void {
    this.skipBlanks();
    if (this.at < this.text.length) throw this.unexpected();
  }

  /** The text of the next value; goes past it. */
  value(): string {
    this.skipBlanks();
    const length = this.valueLength();
    const value = this.text.slice(this.at, this.at + length);
    this.at += length;
    return value;
  }

  private skipBlanks(): void {
    while (isBlank(this.code(0))) this.at += 1;
  }

  /** Of the character so far ahead; NaN after the end. */
  private code(ahead: number): number {
    while (this.at + ahead >= this.text.length) if (!this.takePiece()) return Number.NaN;
    return this.text.charCodeAt(this.at + ahead);
  }

  /** Forgets what lies behind. @returns whether there was another piece */
  private takePiece(): boolean {
    const { done, value } = this.pieces.next();
    if (done === true) return false;
    this.text = this.text.slice(this.at) + value;
    this.at = 0;
    return true;
  }

  private valueLength(): number {
    let depth = 0;
    let ahead = 0;
    for (let code; !Number.isNaN((code = this.code(ahead))); ahead += 1) {
      if (code === quote) ahead = this.stringEnd(ahead);
      else if (code === openBrace || code === openBracket) depth += 1;
      else if (code === closeBrace || code === closeBracket) {
        // The bracket of whoever holds a bare word or number.
        if (depth === 0) return ahead;
        depth -= 1;
      } else if (depth > 0 || !(code === comma || code === colon || isBlank(code))) continue;
      else return ahead;
      if (depth === 0) return ahead + 1;
    }
    return ahead;
  }

  /** Where the quote is that ends the string which begins `ahead`. */
  private stringEnd(ahead: number): number {
    for (let end = ahead + 1; ; end += 1) {
      const found = this.text.indexOf('"', this.at + end);
      if (found < 0) {
        end = this.text.length - this.at - 1;
        if (!this.takePiece()) throw this.unexpected();
        continue;
      }
      end = found - this.at;
      let slashes = 0;
      while (this.text.charCodeAt(found - 1 - slashes) === backslash) slashes += 1;
      if (slashes % 2 === 0) return end;
    }
  }

  private unexpected(): SyntaxError {
    return new SyntaxError(
      `Unexpected JSON before ${JSON.stringify(this.text.slice(this.at, this.at + 20))}`,
    );
  }
}
