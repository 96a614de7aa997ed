import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { JOBS, JobWorker } from './jobs/job-worker.js';
import type { JobTable } from './jobs/job-worker.js';
import { PlacementService } from './nodes/placement.service.js';
import { PlatformModule } from './platform.module.js';
import type { Platform } from './platform.module.js';
import { WebhookDispatcher } from './webhooks/webhook-dispatcher.js';

/** The worker process: jobs and what they run, no HTTP. */
@Module({})
export class WorkerModule {
  static with(platform: Platform): DynamicModule {
    return {
      module: WorkerModule,
      imports: [PlatformModule.with(platform)],
      providers: [
        JobWorker,
        PlacementService,
        WebhookDispatcher,
        {
          provide: JOBS,
          useFactory: (placement: PlacementService, webhooks: WebhookDispatcher): JobTable => ({
            placement: { everyMs: 2_000, run: () => placement.run() },
            webhooks: { everyMs: 1_000, run: () => webhooks.run() },
          }),
          inject: [PlacementService, WebhookDispatcher],
        },
      ],
    };
  }
}
