import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import type { Logger } from '#platform/logger';
import { ApiTokensModule } from './api-tokens/api-tokens.module.js';
import { AliasesModule } from './aliases/aliases.module.js';
import { ArtifactsModule } from './artifacts/artifacts.module.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { CardsModule } from './cards/cards.module.js';
import { CreationsModule } from './creations/creations.module.js';
import { ClientsModule } from './clients/clients.module.js';
import { LOGGER } from './config.js';
import { EndpointsModule } from './endpoints/endpoints.module.js';
import { EventsModule } from './events/events.module.js';
import { ExternalNodesModule } from './external-nodes/external-nodes.module.js';
import { HealthModule } from './health/health.module.js';
import { AccessGuard } from './http/access.guard.js';
import { ProblemFilter } from './http/problem.filter.js';
import { IntegrityModule } from './integrity/integrity.module.js';
import { JobsModule } from './jobs/jobs.module.js';
import { LineageModule } from './lineage/lineage.module.js';
import { MlflowModule } from './mlflow/mlflow.module.js';
import { ModelsModule } from './models/models.module.js';
import { NodesModule } from './nodes/nodes.module.js';
import { NotifyModule } from './notify/notify.module.js';
import { ProvidersModule } from './providers/providers.module.js';
import { IssuersModule } from './issuers/issuers.module.js';
import { PeopleModule } from './people/people.module.js';
import { RetentionModule } from './retention/retention.module.js';
import { RunsModule } from './runs/runs.module.js';
import { SearchModule } from './search/search.module.js';
import { SnapshotModule } from './snapshot/snapshot.module.js';
import { PlatformModule } from './platform.module.js';
import type { Platform } from './platform.module.js';
import { QuotasModule } from './quotas/quotas.module.js';
import { StudiesModule } from './studies/studies.module.js';
import { TeamsModule } from './teams/teams.module.js';
import { UploadsModule } from './uploads/uploads.module.js';
import { UsageModule } from './usage/usage.module.js';
import { VersionsModule } from './versions/versions.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

/** One line per feature. */
const features = [
  CreationsModule,
  AuthModule,
  HealthModule,
  TeamsModule,
  UsageModule,
  ClientsModule,
  PeopleModule,
  ApiTokensModule,
  IssuersModule,
  ProvidersModule,
  QuotasModule,
  AuditModule,
  JobsModule,
  NodesModule,
  ExternalNodesModule,
  NotifyModule,
  SnapshotModule,
  RunsModule,
  StudiesModule,
  ModelsModule,
  VersionsModule,
  UploadsModule,
  RetentionModule,
  IntegrityModule,
  ArtifactsModule,
  AliasesModule,
  EndpointsModule,
  MlflowModule,
  EventsModule,
  WebhooksModule,
  LineageModule,
  CardsModule,
  SearchModule,
];

@Module({})
export class AppModule {
  static with(platform: Platform): DynamicModule {
    return {
      module: AppModule,
      imports: [PlatformModule.with(platform), ...features],
      providers: [
        { provide: APP_GUARD, useClass: AccessGuard },
        {
          provide: APP_FILTER,
          useFactory: (logger: Logger) => new ProblemFilter(logger),
          inject: [LOGGER],
        },
      ],
    };
  }
}
