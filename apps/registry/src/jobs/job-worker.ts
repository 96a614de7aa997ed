/** Runs jobs in the worker process. Each job reads what there is to do from the database, so running one twice is harmless. */
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { PlacementService } from '../nodes/placement.service.js';
import { openQueue, openRunner, scheduled } from './job-backend.js';
import type { JobName, JobRunner, JobSink } from './job-backend.js';

/** How often the worker looks without having been asked: back-off times pass, and a request may have been lost. */
const lookEveryMs = 2_000;

@Injectable()
export class JobWorker implements OnModuleInit, OnModuleDestroy {
  private queue: JobSink | undefined;
  private runner: JobRunner | undefined;

  constructor(
    private readonly placement: PlacementService,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    const settings = { databaseUrl: this.config.DATABASE_URL, redisUrl: this.config.REDIS_URL };
    this.queue = openQueue(settings);
    this.queue.on('error', (error) => this.logger.warn({ err: error }, 'job queue'));
    this.runner = openRunner(settings, (job) => this.run(job.name as JobName));
    this.runner.on('error', (error) => this.logger.warn({ err: error }, 'job worker'));
    this.runner.on('failed', (job, error) => this.logger.error({ err: error, job: job?.name }, 'job failed'));
    await this.runner.waitUntilReady();
    await this.queue.upsertJobScheduler(
      'placement',
      { every: lookEveryMs },
      { name: 'placement', opts: scheduled },
    );
  }

  /** Lets the job that runs finish. */
  async onModuleDestroy(): Promise<void> {
    await this.runner?.close();
    await this.queue?.close();
  }

  private async run(job: JobName): Promise<void> {
    switch (job) {
      case 'placement':
        await this.placement.run();
        return;
      default:
        // An older or newer release may share the queue.
        this.logger.warn({ job: job satisfies never }, 'unknown job');
    }
  }
}
