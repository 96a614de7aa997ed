import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy } from '@nestjs/common';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { onceAtATime, openQueue } from './job-backend.js';
import type { JobName, JobSink } from './job-backend.js';

/** A caller waits no longer than this: the worker looks again by itself every few seconds. */
const maxWaitMs = 1_000;

/** Asks the worker to look at the database again. Call it after the commit. */
@Injectable()
export class JobQueue implements OnModuleDestroy {
  private readonly queue: JobSink;

  constructor(
    @Inject(CONFIG) config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.queue = openQueue({ databaseUrl: config.DATABASE_URL, redisUrl: config.REDIS_URL });
    this.queue.on('error', (error) => this.logger.warn({ err: error }, 'job queue'));
  }

  /** Never rejects: a lost request only delays the job until the next scheduled look. */
  async lookAgain(job: JobName): Promise<void> {
    const added = this.queue.add(job, {}, onceAtATime(job)).catch((error: unknown) => {
      this.logger.warn({ err: error, job }, 'the job could not be queued; the worker looks again by itself');
    });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, maxWaitMs);
    });
    await Promise.race([added, timeout]);
    clearTimeout(timer);
  }

  async onModuleDestroy(): Promise<void> {
    await this.queue.close();
  }
}
