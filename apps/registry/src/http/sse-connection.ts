/**
 * One answer of server-sent events (WHATWG HTML, 9.2). It says when its reader is slow, so that the sender can wait; one
 * that takes nothing for long is cut off, so that it cannot hold memory.
 */
import type { ServerResponse } from 'node:http';

export interface SseTimes {
  readonly pingEveryMs: number;
  /** A connection that takes nothing for this long is dead. */
  readonly stallTimeoutMs: number;
}

/** Without data it reaches no listener: it only moves the place from which the reader resumes. */
export interface SseMessage {
  readonly event?: string;
  readonly id: number;
  /** One line. */
  readonly data?: string;
}

export class SseConnection {
  private blockedSinceMs: number | undefined;
  private readonly timer: NodeJS.Timeout;

  /** @param onDrain the reader takes messages again */
  constructor(
    private readonly response: ServerResponse,
    private readonly times: SseTimes,
    onDrain: () => void,
    private readonly nowMs: () => number = Date.now,
  ) {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    });
    response.on('drain', () => {
      this.blockedSinceMs = undefined;
      onDrain();
    });
    response.on('close', () => clearInterval(this.timer));
    // A write to a connection that has just broken; `close` follows.
    response.on('error', () => response.destroy());
    this.timer = setInterval(() => this.ping(), times.pingEveryMs);
    this.timer.unref();
  }

  get isBlocked(): boolean {
    return this.blockedSinceMs !== undefined;
  }

  send({ event, id, data }: SseMessage): void {
    const name = event === undefined ? '' : `event: ${event}\n`;
    this.write(`${name}id: ${id}\n${data === undefined ? '' : `data: ${data}\n`}\n`);
  }

  end(): void {
    clearInterval(this.timer);
    this.response.end();
  }

  private ping(): void {
    if (this.blockedSinceMs === undefined) this.write(':\n\n');
    else if (this.nowMs() - this.blockedSinceMs > this.times.stallTimeoutMs) this.response.destroy();
  }

  private write(text: string): void {
    if (this.response.writableEnded || this.response.destroyed) return;
    if (!this.response.write(text)) this.blockedSinceMs ??= this.nowMs();
  }
}
