/** The answer to one request of the fast lane: frames it, and writes small ones in one piece with their head. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { CallerResponse } from '../caller.js';
import { joinedBytes } from '../outbox.js';
import type { Outbox, Sender } from '../outbox.js';

/** What may stand in a header field; with anything else the head could be split (RFC 9110 §5.5). */
const wrong = /[^\t\x20-\x7e\x80-\xff]/;

/** The framing of an answer (RFC 9112 §6). */
type Framing = 'length' | 'chunked' | 'none';

const textOf = (bytes: Buffer | string): string =>
  typeof bytes === 'string' ? bytes : bytes.toString('latin1');

let dateMs = 0;
let dateText = '';

/** Of the second. */
function dateField(): string {
  const nowMs = Date.now();
  if (nowMs - dateMs >= 1_000 || nowMs < dateMs) {
    dateMs = nowMs - (nowMs % 1_000);
    dateText = `date: ${new Date(nowMs).toUTCString()}\r\n`;
  }
  return dateText;
}

export class FastResponse implements CallerResponse, Sender {
  headersSent = false;
  statusCode = 0;
  destroyed = false;
  writableFinished = false;
  /** The connection must close behind this answer. */
  isLast: boolean;
  /** Nothing more will be written. */
  isEnded = false;
  /** Waits for the first piece of the body. */
  private head = '';
  private framing: Framing = 'none';
  /** Whole, and not written yet. */
  private unsent = '';
  private readonly onClose: (() => void)[] = [];

  constructor(
    private readonly socket: Socket,
    isLast: boolean,
    private readonly keepAliveField: string,
    private readonly outbox: Outbox,
    /** The operating system has all of it, or never will. */
    private readonly onFlushed: () => void,
  ) {
    this.isLast = isLast;
  }

  writeContinue(): void {
    throw new Error('The fast lane takes no request that waits');
  }

  writeHead(status: number, fields: readonly string[]): this {
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
    let framing: Framing = status === 204 || status === 304 ? 'none' : 'chunked';
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const [name = '', value = ''] = [fields[i], fields[i + 1]];
      if (wrong.test(value))
        throw new TypeError(`The field "${name}" has a character that no field can have`);
      if (name === 'connection') this.isLast = true;
      else {
        if (name === 'content-length' && framing === 'chunked') framing = 'length';
        head += `${name}: ${value}\r\n`;
      }
    }
    if (framing === 'chunked') head += 'transfer-encoding: chunked\r\n';
    this.head = `${head}${dateField()}${this.isLast ? 'connection: close\r\n' : this.keepAliveField}\r\n`;
    this.framing = framing;
    this.statusCode = status;
    this.headersSent = true;
    return this;
  }

  write(chunk: Buffer): boolean {
    if (this.isDone || chunk.length === 0) return true;
    return this.put(chunk, '');
  }

  end(chunk?: Buffer | string): void {
    if (this.isDone) return;
    this.isEnded = true;
    const bytes = chunk ?? '';
    // Nothing else of this answer is on its way, so it can wait for the others of this turn.
    if (this.head !== '' && this.framing !== 'chunked' && bytes.length <= joinedBytes) {
      this.unsent = this.head + (this.framing === 'none' ? '' : textOf(bytes));
      this.outbox.add(this);
    } else this.put(bytes, this.framing === 'chunked' ? '0\r\n\r\n' : '', this.onFlushed);
  }

  flush(): void {
    const { socket, unsent } = this;
    this.unsent = '';
    if (!socket.destroyed) socket.write(unsent, 'latin1', this.onFlushed);
  }

  once(event: 'close' | 'drain', listener: () => void): this {
    if (event === 'close') this.onClose.push(listener);
    else this.socket.once('drain', listener);
    return this;
  }

  destroy(): void {
    this.destroyed = true;
    this.socket.destroy();
  }

  /** The answer is over, or the caller is gone. */
  close(isFinished: boolean): void {
    this.writableFinished = isFinished;
    this.destroyed = true;
    for (const listener of this.onClose.splice(0)) listener();
  }

  private get isDone(): boolean {
    return this.isEnded || this.destroyed;
  }

  /** @param bytes a string is Latin-1, one character a byte */
  private put(bytes: Buffer | string, last: string, then?: () => void): boolean {
    const { socket } = this;
    const isBare = this.framing === 'none' || bytes.length === 0;
    const isChunk = !isBare && this.framing === 'chunked';
    const before = isChunk ? `${this.head}${bytes.length.toString(16)}\r\n` : this.head;
    const after = isChunk ? `\r\n${last}` : last;
    this.head = '';
    if (isBare) return socket.write(before + after, 'latin1', then);
    if (typeof bytes === 'string' || bytes.length <= joinedBytes)
      return socket.write(before + textOf(bytes) + after, 'latin1', then);
    socket.cork();
    if (before !== '') socket.write(before, 'latin1');
    const hasRoom = socket.write(bytes, after === '' ? then : undefined);
    if (after !== '') socket.write(after, 'latin1', then);
    socket.uncork();
    return hasRoom;
  }
}
