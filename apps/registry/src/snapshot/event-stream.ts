/**
 * Server-sent events to one gateway. A slow reader gets fewer snapshots, never older ones: while its connection is full,
 * only the newest waits. One that reads nothing for long is cut off, so that it cannot hold memory.
 */
import { snapshotEvent } from '#contracts/snapshot';
import type { ServerResponse } from 'node:http';
import type { PublishedSnapshot } from './snapshot-feed.js';

export interface EventStreamTimes {
  readonly pingEveryMs: number;
  /** A connection that takes nothing for this long is dead. */
  readonly stallTimeoutMs: number;
}

export class EventStream {
  private sentRevision = -1;
  private waiting: PublishedSnapshot | undefined;
  private blockedSinceMs: number | undefined;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly response: ServerResponse,
    private readonly times: EventStreamTimes,
    private readonly nowMs: () => number = Date.now,
  ) {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    });
    response.on('drain', () => this.drained());
    response.on('close', () => clearInterval(this.timer));
    // A write to a connection that has just broken; `close` follows.
    response.on('error', () => response.destroy());
    this.timer = setInterval(() => this.ping(), times.pingEveryMs);
    this.timer.unref();
  }

  send(snapshot: PublishedSnapshot): void {
    if (snapshot.revision <= Math.max(this.sentRevision, this.waiting?.revision ?? -1)) return;
    if (this.blockedSinceMs !== undefined) {
      this.waiting = snapshot;
      return;
    }
    this.sentRevision = snapshot.revision;
    this.write(`event: ${snapshotEvent}\nid: ${snapshot.revision}\ndata: ${snapshot.json}\n\n`);
  }

  end(): void {
    clearInterval(this.timer);
    this.response.end();
  }

  private ping(): void {
    if (this.blockedSinceMs === undefined) this.write(':\n\n');
    else if (this.nowMs() - this.blockedSinceMs > this.times.stallTimeoutMs) this.response.destroy();
  }

  private drained(): void {
    this.blockedSinceMs = undefined;
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting) this.send(waiting);
  }

  private write(text: string): void {
    if (this.response.writableEnded || this.response.destroyed) return;
    if (!this.response.write(text)) this.blockedSinceMs = this.nowMs();
  }
}
