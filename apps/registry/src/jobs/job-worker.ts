/** Runs jobs in the worker process. Each job reads what there is to do from the database, so running one twice is harmless. */
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { jobNames, openQueue, openRunner, scheduled } from './job-backend.js';
import type { JobName, JobRunner, JobSink } from './job-backend.js';

/** One kind of job. */
export interface JobKind {
  /** How often the worker looks without having been asked: back-off times pass, and a request may have been lost. */
  readonly everyMs: number;
  /** Reads from the database what there is to do, and does it. Two may run at once, here or in another worker. */
  run(): Promise<void>;
}
export type JobTable = Readonly<Record<JobName, JobKind>>;
/** Injection token of the job table. */
export const JOBS = Symbol('jobs');

@Injectable()
export class JobWorker implements OnModuleInit, OnModuleDestroy {
  private queue: JobSink | undefined;
  private runner: JobRunner | undefined;

  constructor(
    @Inject(JOBS) private readonly jobs: JobTable,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    const settings = { databaseUrl: this.config.DATABASE_URL, redisUrl: this.config.REDIS_URL };
    this.queue = openQueue(settings);
    this.queue.on('error', (error) => this.logger.warn({ err: error }, 'job queue'));
    this.runner = openRunner(settings, (job) => this.run(job.name));
    this.runner.on('error', (error) => this.logger.warn({ err: error }, 'job worker'));
    this.runner.on('failed', (job, error) => this.logger.error({ err: error, job: job?.name }, 'job failed'));
    await this.runner.waitUntilReady();
    for (const name of jobNames)
      await this.queue.upsertJobScheduler(
        name,
        { every: this.jobs[name].everyMs },
        { name, opts: scheduled },
      );
  }

  /** Lets the job that runs finish. */
  async onModuleDestroy(): Promise<void> {
    await this.runner?.close();
    await this.queue?.close();
  }

  private async run(name: string): Promise<void> {
    const job = jobNames.find((known) => known === name);
    if (job) return this.jobs[job].run();
    // An older or newer release may share the queue.
    this.logger.warn({ job: name }, 'unknown job');
  }
}
