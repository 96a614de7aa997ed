/** Takes the chunked coding off a body (RFC 9112 §7.1), however its bytes are cut. Extensions are refused, trailers dropped. */
import { anyValue, readFieldLines } from '../field-lines.js';
import { BadAnswerError } from './answer-head.js';

type State = 'size' | 'data' | 'end of data' | 'trailers' | 'over';

const size = /^[\da-f]{1,12}$/i;
const lineFeed = 10;
/** Of the size line, or of all the trailers. */
const maxLineBytes = 16_384;

export class ChunkedBody {
  private state: State = 'size';
  /** What has arrived of a line. */
  private line = '';
  /** Of the chunk. */
  private missing = 0;
  private trailerBytes = 0;

  get isOver(): boolean {
    return this.state === 'over';
  }

  /**
   * @param give gets the data in pieces, which share the memory of `bytes`
   * @returns how many of the bytes belong to the body; fewer than all only at its end
   * @throws {BadAnswerError}
   */
  take(bytes: Buffer, give: (piece: Buffer) => void): number {
    let at = 0;
    while (at < bytes.length && !this.isOver) {
      if (this.state === 'data') {
        const piece = bytes.subarray(at, at + this.missing);
        at += piece.length;
        this.missing -= piece.length;
        if (this.missing === 0) this.state = 'end of data';
        give(piece);
      } else at = this.takeLine(bytes, at);
    }
    return at;
  }

  private takeLine(bytes: Buffer, from: number): number {
    const end = bytes.indexOf(lineFeed, from);
    const to = end < 0 ? bytes.length : end + 1;
    if (this.line.length + to - from > maxLineBytes) throw wrong();
    this.line += bytes.toString('latin1', from, to);
    if (end < 0) return to;
    if (!this.line.endsWith('\r\n')) throw wrong();
    const text = this.line.slice(0, -2);
    this.line = '';
    this.onLine(text);
    return to;
  }

  private onLine(text: string): void {
    if (this.state === 'size') {
      if (!size.test(text)) throw wrong();
      this.missing = Number.parseInt(text, 16);
      this.state = this.missing === 0 ? 'trailers' : 'data';
    } else if (this.state === 'end of data') {
      if (text !== '') throw wrong();
      this.state = 'size';
    } else {
      this.trailerBytes += text.length;
      if (this.trailerBytes > maxLineBytes) throw wrong();
      if (text === '') this.state = 'over';
      else if (!readFieldLines(`${text}\r\n`, 0, anyValue, () => true)) throw wrong();
    }
  }
}

const wrong = (): BadAnswerError => new BadAnswerError('The answer has a malformed chunk');
