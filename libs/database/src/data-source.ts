/** The one description of the database: explicit entity list, never `synchronize`. */
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { ApiTokenEntity } from './entities/api-token.entity.js';
import { AuditEntryEntity, ClientEntity, SigningKeyEntity } from './entities/client.entity.js';
import { CreationEntity } from './entities/creation.entity.js';
import { EndpointEntity, TrafficRevisionEntity, TrafficTargetEntity } from './entities/endpoint.entity.js';
import { IssuerEntity } from './entities/issuer.entity.js';
import {
  ExternalNodeEntity,
  ExternalReplicaEntity,
  ExternalReportEntity,
} from './entities/external-node.entity.js';
import {
  DatasetEntity,
  LoggedModelEntity,
  LoggedModelMetricEntity,
  MlflowFileEntity,
  MlflowUploadEntity,
  MlflowUploadPartEntity,
  MlflowVersionEntity,
  RunDatasetEntity,
  RunModelEntity,
} from './entities/mlflow.entity.js';
import { ModelCardEntity } from './entities/card.entity.js';
import { SignInFlowEntity, SignInProviderEntity } from './entities/provider.entity.js';
import { EventEntity } from './entities/event.entity.js';
import { AttestationEntity, ReleasePolicyEntity, TrustedKeyEntity } from './entities/integrity.entity.js';
import { ModelEntity } from './entities/model.entity.js';
import { NodeEntity, ReplicaEntity, SnapshotStateEntity } from './entities/node.entity.js';
import {
  PersonEntity,
  RefreshTokenEntity,
  SessionEntity,
  SignInAttemptsEntity,
} from './entities/person.entity.js';
import {
  QuotaEntity,
  QuotaHolderEntity,
  QuotaOverrideEntity,
  QuotaWindowEntity,
} from './entities/quota.entity.js';
import {
  ExperimentEntity,
  MetricBlockEntity,
  MetricPointEntity,
  MetricSeriesEntity,
  RunEntity,
  RunLogLineEntity,
  RunParamEntity,
  RunTagEntity,
  StudyEntity,
} from './entities/run.entity.js';
import { SearchDocumentEntity } from './entities/search.entity.js';
import { TeamEntity } from './entities/team.entity.js';
import { UploadEntity, UploadPieceEntity } from './entities/upload.entity.js';
import {
  PriceEntity,
  UsageEventEntity,
  UsageExportEntity,
  UsageHourEntity,
  UsageSourceEntity,
} from './entities/usage.entity.js';
import {
  AliasEntity,
  ArtifactEntity,
  ConfigRevisionEntity,
  VersionEntity,
  VersionFileEntity,
} from './entities/version.entity.js';
import { WebhookDeliveryEntity, WebhookEntity } from './entities/webhook.entity.js';

export const entities = [
  ModelEntity,
  VersionEntity,
  ArtifactEntity,
  VersionFileEntity,
  ConfigRevisionEntity,
  AliasEntity,
  EndpointEntity,
  TrafficTargetEntity,
  TrafficRevisionEntity,
  NodeEntity,
  ReplicaEntity,
  SnapshotStateEntity,
  ExternalNodeEntity,
  ExternalReplicaEntity,
  ExternalReportEntity,
  TeamEntity,
  ClientEntity,
  SigningKeyEntity,
  SignInProviderEntity,
  SignInFlowEntity,
  IssuerEntity,
  ApiTokenEntity,
  PersonEntity,
  SessionEntity,
  RefreshTokenEntity,
  SignInAttemptsEntity,
  QuotaEntity,
  UsageHourEntity,
  UsageSourceEntity,
  UsageExportEntity,
  UsageEventEntity,
  PriceEntity,
  QuotaWindowEntity,
  QuotaOverrideEntity,
  QuotaHolderEntity,
  AuditEntryEntity,
  EventEntity,
  ExperimentEntity,
  RunEntity,
  RunParamEntity,
  RunTagEntity,
  MetricSeriesEntity,
  MetricPointEntity,
  MetricBlockEntity,
  RunLogLineEntity,
  StudyEntity,
  MlflowFileEntity,
  LoggedModelEntity,
  MlflowVersionEntity,
  WebhookEntity,
  WebhookDeliveryEntity,
  DatasetEntity,
  RunDatasetEntity,
  RunModelEntity,
  LoggedModelMetricEntity,
  MlflowUploadEntity,
  MlflowUploadPartEntity,
  ModelCardEntity,
  SearchDocumentEntity,
  UploadEntity,
  TrustedKeyEntity,
  AttestationEntity,
  ReleasePolicyEntity,
  UploadPieceEntity,
  CreationEntity,
];

export interface DatabaseSettings {
  /** `postgres://user:password@host:port/database` */
  readonly url: string;
  /** Connections that this process may hold. */
  readonly maxConnections: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly migrations?: NonNullable<DataSourceOptions['migrations']>;
}

/** Options for `new DataSource` and for Nest's TypeOrmModule. A statement that runs longer than 30 s is ended by the server. */
export function dataSourceOptions(settings: DatabaseSettings): DataSourceOptions {
  return {
    type: 'postgres',
    url: settings.url,
    entities,
    ...(settings.migrations ? { migrations: settings.migrations } : {}),
    migrationsTableName: 'schema_migrations',
    synchronize: false,
    applicationName: settings.applicationName,
    poolSize: settings.maxConnections,
    connectTimeoutMS: 5_000,
    extra: { statement_timeout: 30_000, idle_in_transaction_session_timeout: 60_000 },
  };
}

export const createDataSource = (settings: DatabaseSettings): DataSource =>
  new DataSource(dataSourceOptions(settings));
