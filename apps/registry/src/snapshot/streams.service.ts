import { Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { EventStream } from './event-stream.js';
import { SnapshotFeed } from './snapshot-feed.js';

const times = { pingEveryMs: 5_000, stallTimeoutMs: 30_000 };

/** The gateways that follow the routing table through this process. */
@Injectable()
export class StreamsService implements OnModuleDestroy {
  private readonly streams = new Set<EventStream>();

  constructor(private readonly feed: SnapshotFeed) {}

  /** Ends the streams; the gateways follow another registry, or this one when it is back. */
  onModuleDestroy(): void {
    for (const stream of this.streams) stream.end();
  }

  /** Sends the routing table now and at each change, until either side ends. Fails before the first byte or not at all. */
  async open(reply: FastifyReply): Promise<void> {
    const first = await this.feed.current();
    if (reply.raw.destroyed) return;
    reply.hijack();
    const stream = new EventStream(reply.raw, times);
    const unfollow = this.feed.follow((snapshot) => stream.send(snapshot));
    this.streams.add(stream);
    reply.raw.on('close', () => {
      unfollow();
      this.streams.delete(stream);
    });
    stream.send(first);
  }
}
