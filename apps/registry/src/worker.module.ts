import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ArtifactStoreModule } from './artifacts/artifact-store.module.js';
import { EventRetention } from './events/event-retention.js';
import { GarbageCollector } from './artifacts/garbage-collector.js';
import { JOBS, JobWorker } from './jobs/job-worker.js';
import type { JobTable } from './jobs/job-worker.js';
import { PlacementService } from './nodes/placement.service.js';
import { PlatformModule } from './platform.module.js';
import type { Platform } from './platform.module.js';
import { RetentionService } from './retention/retention.service.js';
import { UsageExporter } from './usage/usage-exporter.js';
import { WebhookDispatcher } from './webhooks/webhook-dispatcher.js';
import { UploadExpiry } from './uploads/upload-expiry.js';

/** The worker process: jobs and what they run, no HTTP. */
@Module({})
export class WorkerModule {
  static with(platform: Platform): DynamicModule {
    return {
      module: WorkerModule,
      imports: [PlatformModule.with(platform), ArtifactStoreModule],
      providers: [
        JobWorker,
        PlacementService,
        UploadExpiry,
        RetentionService,
        GarbageCollector,
        WebhookDispatcher,
        EventRetention,
        UsageExporter,
        {
          provide: JOBS,
          useFactory: (
            placement: PlacementService,
            webhooks: WebhookDispatcher,
            uploads: UploadExpiry,
            events: EventRetention,
            retention: RetentionService,
            garbage: GarbageCollector,
            usage: UsageExporter,
          ): JobTable => ({
            placement: { everyMs: 2_000, run: () => placement.run() },
            webhooks: { everyMs: 1_000, run: () => webhooks.run() },
            uploads: { everyMs: 60_000, run: () => uploads.run() },
            events: { everyMs: 600_000, run: () => events.run() },
            retention: { everyMs: 3_600_000, run: () => retention.run() },
            garbage: { everyMs: 600_000, run: async () => void (await garbage.run()) },
            usage_export: { everyMs: 1_000, run: () => usage.run() },
          }),
          inject: [
            PlacementService,
            WebhookDispatcher,
            UploadExpiry,
            EventRetention,
            RetentionService,
            GarbageCollector,
            UsageExporter,
          ],
        },
      ],
    };
  }
}
