import { Global, Module } from '@nestjs/common';
import { JobQueue } from './job-queue.js';

/** The asking side of the jobs, for every feature. */
@Global()
@Module({ providers: [JobQueue], exports: [JobQueue] })
export class JobsModule {}
