/** Walks over JSON text value by value without building what it passes. What it cuts out is for JSON.parse to judge. */

const [quote, backslash, comma, colon] = [34, 92, 44, 58];
const [openBracket, closeBracket, openBrace, closeBrace] = [91, 93, 123, 125];

const isBlank = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9;

export class JsonCursor {
  private at = 0;

  constructor(private readonly text: string) {}

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
    const start = this.at;
    this.at = this.valueEnd(start);
    return this.text.slice(start, this.at);
  }

  private skipBlanks(): void {
    while (isBlank(this.text.charCodeAt(this.at))) this.at += 1;
  }

  private valueEnd(start: number): number {
    let depth = 0;
    for (let at = start; at < this.text.length; at += 1) {
      const code = this.text.charCodeAt(at);
      if (code === quote) at = this.stringEnd(at);
      else if (code === openBrace || code === openBracket) depth += 1;
      else if (code === closeBrace || code === closeBracket) {
        // The bracket of whoever holds a bare word or number.
        if (depth === 0) return at;
        depth -= 1;
      } else if (depth > 0 || !(code === comma || code === colon || isBlank(code))) continue;
      else return at;
      if (depth === 0) return at + 1;
    }
    return this.text.length;
  }

  /** Of the quote that ends the string which begins at `start`. */
  private stringEnd(start: number): number {
    for (let at = start + 1; ; at += 1) {
      at = this.text.indexOf('"', at);
      if (at < 0) throw this.unexpected();
      let slashes = 0;
      while (this.text.charCodeAt(at - 1 - slashes) === backslash) slashes += 1;
      if (slashes % 2 === 0) return at;
    }
  }

  private unexpected(): SyntaxError {
    return new SyntaxError(`Unexpected JSON at position ${this.at}`);
  }
}
