/**
 * The one LISTEN connection of an API process. It reconnects for ever, and after each reconnect it says `resync`, because
 * what was notified in between is lost. It never tells what changed, only that someone should read again.
 */
import { channels } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { EventEmitter } from 'node:events';
import { Client } from 'pg';
import type { Notification } from 'pg';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';

interface NotificationEvents {
  /** The routing table has another revision. */
  routing: [];
  /** A node has other assignments. */
  assignments: [nodeId: string];
  /** A run has more lines, or has ended. */
  runLines: [runId: string];
  /** Anything may have changed. */
  resync: [];
}

const firstRetryMs = 100;
const maxRetryMs = 2_000;
/** A connection that died without a word is found by this. */
const pingEveryMs = 5_000;

@Injectable()
export class Notifications extends EventEmitter<NotificationEvents> implements OnModuleInit, OnModuleDestroy {
  private client: Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private retryMs = firstRetryMs;
  private closed = false;

  constructor(
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    super();
    // One listener per waiting node.
    this.setMaxListeners(0);
  }

  async onModuleInit(): Promise<void> {
    await this.connect();
  }

  async onModuleDestroy(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    const { client } = this;
    this.client = undefined;
    await client?.end();
  }

  private async connect(): Promise<void> {
    const client = new Client({
      connectionString: this.config.DATABASE_URL,
      application_name: 'sluice registry listen',
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
    });
    client.on('error', (error) => this.lost(client, error));
    client.on('end', () => this.lost(client, new Error('the connection ended')));
    client.on('notification', (message) => this.deliver(message));
    this.client = client;
    try {
      await client.connect();
      await client.query(
        Object.values(channels)
          .map((channel) => `LISTEN ${channel}`)
          .join('; '),
      );
    } catch (error) {
      this.lost(client, error);
      return;
    }
    if (this.client !== client) return;
    this.retryMs = firstRetryMs;
    this.emit('resync');
    this.schedulePing(client);
  }

  private deliver({ channel, payload }: Notification): void {
    if (channel === channels.routing) this.emit('routing');
    else if (channel === channels.assignments) this.emit('assignments', payload ?? '');
    else if (channel === channels.runLines) this.emit('runLines', payload ?? '');
  }

  private schedulePing(client: Client): void {
    this.timer = setTimeout(() => {
      client.query('SELECT 1').then(
        () => {
          if (this.client === client) this.schedulePing(client);
        },
        (error: unknown) => this.lost(client, error),
      );
    }, pingEveryMs);
    this.timer.unref();
  }

  private lost(client: Client, error: unknown): void {
    if (this.closed || this.client !== client) return;
    this.client = undefined;
    clearTimeout(this.timer);
    this.logger.warn({ err: error, retryMs: this.retryMs }, 'the notification connection is lost');
    client.end().catch((cause: unknown) => this.logger.debug({ err: cause }, 'closing the lost connection'));
    this.timer = setTimeout(() => void this.connect(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, maxRetryMs);
  }
}
