/**
 * Server-sent events to one gateway. A slow reader gets fewer snapshots, never older ones: while its connection is full,
 * only the newest waits.
 */
import { snapshotEvent } from '#contracts/snapshot';
import type { ServerResponse } from 'node:http';
import { SseConnection } from '../http/sse-connection.js';
import type { SseTimes } from '../http/sse-connection.js';
import type { PublishedSnapshot } from './snapshot-feed.js';

export class EventStream {
  private readonly connection: SseConnection;
  private sentRevision = -1;
  private waiting: PublishedSnapshot | undefined;

  constructor(response: ServerResponse, times: SseTimes) {
    this.connection = new SseConnection(response, times, () => this.drained());
  }

  send(snapshot: PublishedSnapshot): void {
    if (snapshot.revision <= Math.max(this.sentRevision, this.waiting?.revision ?? -1)) return;
    if (this.connection.isBlocked) {
      this.waiting = snapshot;
      return;
    }
    this.sentRevision = snapshot.revision;
    this.connection.send({ event: snapshotEvent, id: snapshot.revision, data: snapshot.json });
  }

  end(): void {
    this.connection.end();
  }

  private drained(): void {
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting) this.send(waiting);
  }
}
