/** The open event streams of this process: who reads from where, and what of it the reader's token lets it see. */
import { changeEventName, eventScope, matchesType, resetEventName } from '#contracts/events';
import type { ChangeEvent, FollowEvents } from '#contracts/events';
import { reachesAllTeams } from '#contracts/roles';
import { allows } from '#contracts/scopes';
import type { Scope } from '#contracts/scopes';
import { SluiceError, messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { DataSource } from 'typeorm';
import type { z } from 'zod';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { mayIn } from '../auth/team-access.js';
import type { Caller } from '../http/caller.js';
import { SseConnection } from '../http/sse-connection.js';
import { EventFeed } from './event-feed.js';
import { EventFollower } from './event-follower.js';
import { isKept, readEvents } from './event-log.js';

const times = { pingEveryMs: 5_000, stallTimeoutMs: 30_000 };
const eventsPerRead = 200;

type Query = z.output<typeof FollowEvents>;

@Injectable()
export class EventsService implements OnModuleDestroy {
  private readonly connections = new Set<SseConnection>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly feed: EventFeed,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Ends the streams; their readers resume at another registry, or at this one when it is back. */
  onModuleDestroy(): void {
    for (const connection of this.connections) connection.end();
  }

  /** Sends events until either side ends, at the latest when a token as old as the stream would have ended. */
  async open(query: Query, lastEventId: unknown, caller: Caller, reply: FastifyReply): Promise<void> {
    const { manager } = this.dataSource;
    const newest = await this.feed.now();
    const asked = parseLastEventId(lastEventId) ?? query.after ?? newest;
    const isComplete = asked <= newest && (await isKept(manager, asked));
    const place = isComplete ? asked : newest;
    if (reply.raw.destroyed) return;
    reply.hijack();
    const connection = new SseConnection(reply.raw, times, () => follower.wake());
    const follower = new EventFollower(connection, place, {
      name: changeEventName,
      read: (after) => readEvents(manager, after, eventsPerRead),
      isWanted: (event) => isWanted(event, query, caller),
      onError: (error) => {
        this.logger.warn({ reason: messageOf(error) }, 'events could not be read; their reader may resume');
        connection.end();
      },
    });
    // Its reader knows from the first byte where to resume.
    connection.send(isComplete ? { id: place } : { event: resetEventName, id: place, data: '{}' });
    this.keep(
      connection,
      reply,
      this.feed.follow(() => follower.wake()),
    );
    follower.wake();
  }

  private keep(connection: SseConnection, reply: FastifyReply, unfollow: () => void): void {
    this.connections.add(connection);
    const timer = setTimeout(() => connection.end(), this.config.SLUICE_TOKEN_TTL_S * 1_000).unref();
    reply.raw.on('close', () => {
      clearTimeout(timer);
      unfollow();
      this.connections.delete(connection);
    });
  }
}

const isWanted = (event: ChangeEvent, query: Query, caller: Caller): boolean =>
  mayFollow(caller, eventScope(event.type)) &&
  (query.types === undefined || matchesType(event.type, query.types)) &&
  event.subject.startsWith(query.subject_prefix ?? '');

/** An event does not say of which team it is: who may read such things in some teams only follows none of them. */
const mayFollow = (caller: Caller, needed: Scope): boolean =>
  reachesAllTeams(needed) ? mayIn(caller, null, needed) : allows(caller.scopes, needed);

function parseLastEventId(value: unknown): number | undefined {
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string' && /^\d{1,15}$/.test(value)) return Number(value);
  throw new SluiceError('INVALID_REQUEST', 'Last-Event-ID must be the id of an event of this stream.');
}
