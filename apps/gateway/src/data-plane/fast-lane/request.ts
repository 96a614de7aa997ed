/** A request of the fast lane: its head is read, its body comes in whole. */
import type { Body, BodyLimits } from '../body.js';
import type { CallerHeaders, CallerRequest } from '../caller.js';
import type { PlainHead } from './head.js';

export class FastRequest implements CallerRequest {
  readonly method: string;
  readonly headers: CallerHeaders;
  readonly expectsContinue = false;
  private missing: number;
  private chunks: Buffer[] = [];
  /** Who waits for the body. */
  private waiting: ((body: Body) => void) | undefined;
  /** The body is nobody's any more. */
  private isReadAway = false;
  private onReadAway: (() => void) | undefined;

  constructor(
    head: PlainHead,
    /** Told when a body that nobody wants does not end. */
    private readonly startLinger: () => void,
  ) {
    this.method = head.method;
    this.headers = head.headers;
    this.missing = head.contentLength;
  }

  get complete(): boolean {
    return this.missing === 0;
  }

  /** Takes its part of what came in and gives back the rest. */
  take(bytes: Buffer): Buffer {
    if (this.missing === 0 || bytes.length === 0) return bytes;
    const own = bytes.length > this.missing ? bytes.subarray(0, this.missing) : bytes;
    this.missing -= own.length;
    if (!this.isReadAway) this.chunks.push(own);
    if (this.missing === 0) this.arrived();
    return bytes.subarray(own.length);
  }

  /** The lane takes no body that is too large to be held. */
  readBody(_: BodyLimits, then: (body: Body) => void): void {
    if (this.missing > 0) this.waiting = then;
    else then(this.held());
  }

  readAway(then?: () => void): void {
    this.waiting = undefined;
    this.onReadAway ??= then;
    if (this.missing === 0 || this.isReadAway) return;
    this.isReadAway = true;
    this.chunks = [];
    this.startLinger();
  }

  private arrived(): void {
    const { waiting, onReadAway } = this;
    this.waiting = undefined;
    this.onReadAway = undefined;
    waiting?.(this.held());
    onReadAway?.();
  }

  private held(): Body {
    const [first] = this.chunks;
    return { kind: 'held', bytes: this.chunks.length > 1 ? Buffer.concat(this.chunks) : first };
  }
}
