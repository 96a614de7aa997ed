/**
 * One answer of a node while it comes in, and its handler's hold on it. Knows the handler and the connection it comes by; the
 * connection is another's as soon as the answer is over, and is never touched after that.
 */
import { BadAnswerError, readAnswerHead } from './answer-head.js';
import type { Framing } from './answer-head.js';
import { ChunkedBody } from './chunked.js';

type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** What a handler may do to an answer that it waits for. undici's controllers can do the same. */
export interface AnswerControl {
  abort(reason: Error): void;
  pause(): void;
  resume(): void;
}

/** As undici calls it. Ends with `onResponseEnd` or `onResponseError`, once. */
export interface AnswerHandler {
  onRequestStart(control: AnswerControl): void;
  onResponseStart(control: AnswerControl, status: number, headers: AnswerHeaders): void;
  onResponseData(control: AnswerControl, chunk: Buffer): void;
  onResponseEnd(): void;
  onResponseError(control: AnswerControl, error: Error): void;
}

/** What an answer comes by. */
export interface Carrier {
  pause(): void;
  resume(): void;
  /** The answer is over in good order. @param keepAliveMs as the node said it, if it did */
  release(keepAliveMs: number | undefined): void;
  destroy(): void;
}

const nothing: Buffer = Buffer.alloc(0);

export class Answer implements AnswerControl {
  isOver = false;
  private carrier: Carrier | undefined;
  private head = nothing;
  /** Undefined before the head has come. */
  private framing: Framing | undefined;
  private keepAliveMs: number | undefined;
  /** Of a body whose length was announced. */
  private missing = 0;
  private chunks: ChunkedBody | undefined;

  constructor(
    private readonly handler: AnswerHandler,
    private readonly isToHead: boolean,
  ) {}

  /** The request is about to be sent by this carrier. */
  begin(carrier: Carrier): void {
    this.carrier = carrier;
  }

  abort(reason: Error): void {
    this.fail(reason);
  }

  pause(): void {
    if (!this.isOver) this.carrier?.pause();
  }

  resume(): void {
    if (!this.isOver) this.carrier?.resume();
  }

  /** Bytes of the connection. Whatever is wrong with them, or with what the handler makes of them, ends answer and connection. */
  take(bytes: Buffer): void {
    try {
      this.read(bytes);
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The node has closed its side: the end of some answers, the death of others. */
  end(error: Error): void {
    if (this.framing?.kind === 'until close') this.finish(nothing);
    else this.fail(error);
  }

  fail(error: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.carrier?.destroy();
    this.handler.onResponseError(this, error);
  }

  private read(bytes: Buffer): void {
    const rest = this.framing ? bytes : this.readHead(bytes);
    if (rest === undefined || this.isOver) return;
    switch (this.framing?.kind) {
      case 'none':
        return this.finish(rest);
      case 'length':
        return this.readLength(rest);
      case 'chunked':
        return this.readChunks(rest);
      case 'until close':
        return this.give(rest);
      case undefined:
        return undefined;
    }
  }

  /** Gives back what follows the head; undefined while that has not ended. */
  private readHead(bytes: Buffer): Buffer | undefined {
    let rest = this.head.length === 0 ? bytes : Buffer.concat([this.head, bytes]);
    this.head = nothing;
    for (;;) {
      const head = readAnswerHead(rest, this.isToHead);
      if (!head) {
        this.head = rest;
        return undefined;
      }
      rest = rest.subarray(head.byteLength);
      if (head.status <= 101)
        throw new BadAnswerError(`The node answered ${head.status}, for which nobody asked`);
      // Others below 200 only say that the answer is still to come (RFC 9110 §15.2).
      if (head.status < 200) continue;
      const { framing } = head;
      this.framing = framing;
      this.keepAliveMs = head.keepAliveMs;
      if (framing.kind === 'length') this.missing = framing.bytes;
      else if (framing.kind === 'chunked') this.chunks = new ChunkedBody();
      this.handler.onResponseStart(this, head.status, head.headers);
      return rest;
    }
  }

  private readLength(bytes: Buffer): void {
    const own = bytes.length > this.missing ? bytes.subarray(0, this.missing) : bytes;
    this.missing -= own.length;
    this.give(own);
    if (this.missing === 0) this.finish(bytes.subarray(own.length));
  }

  private readChunks(bytes: Buffer): void {
    const { chunks } = this;
    if (!chunks) return;
    const used = chunks.take(bytes, (piece) => this.give(piece));
    if (chunks.isOver) this.finish(bytes.subarray(used));
  }

  private give(bytes: Buffer): void {
    if (bytes.length > 0 && !this.isOver) this.handler.onResponseData(this, bytes);
  }

  /** @param after bytes that nobody asked for: the connection cannot be trusted any more */
  private finish(after: Buffer): void {
    if (this.isOver) return;
    this.isOver = true;
    this.carrier?.release(after.length > 0 ? 0 : this.keepAliveMs);
    this.handler.onResponseEnd();
  }
}
