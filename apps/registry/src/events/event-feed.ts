/**
 * Wakes those who follow the events through this process. It looks at the database while anyone follows, and numbers what
 * it finds; with NOTIFY instead, every commit in the cluster would queue for one lock.
 */
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { LOGGER } from '../config.js';
import { newestNumber, numberEvents } from './event-log.js';

const lookEveryMs = 150;

@Injectable()
export class EventFeed implements OnModuleDestroy {
  private readonly followers = new Set<() => void>();
  private timer: NodeJS.Timeout | undefined;
  private newest = -1;

  constructor(
    private readonly dataSource: DataSource,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleDestroy(): void {
    this.followers.clear();
    clearTimeout(this.timer);
  }

  /** The number of the newest event that is committed now. */
  async now(): Promise<number> {
    await numberEvents(this.dataSource);
    return newestNumber(this.dataSource.manager);
  }

  /** Calls `wake` whenever there may be events that were not there before. @returns ends it */
  follow(wake: () => void): () => void {
    this.followers.add(wake);
    if (this.followers.size === 1) this.schedule();
    return () => {
      this.followers.delete(wake);
      if (this.followers.size === 0) clearTimeout(this.timer);
    };
  }

  private schedule(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), lookEveryMs);
    this.timer.unref();
  }

  private async look(): Promise<void> {
    try {
      const newest = await this.now();
      if (newest !== this.newest) for (const wake of this.followers) wake();
      this.newest = newest;
    } catch (error) {
      this.logger.warn({ err: error }, 'the events could not be read; trying again');
    }
    if (this.followers.size > 0) this.schedule();
  }
}
