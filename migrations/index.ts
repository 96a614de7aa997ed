/** Every migration, oldest first. Never change one that was released: add another. */
import type { MigrationInterface } from 'typeorm';
import { Initial1795478760562 } from './1795478760562-initial.js';
import { ReplicaNext1795489200000 } from './1795489200000-replica-next.js';
import { HeldVersions1795489920000 } from './1795489920000-held-versions.js';
import { Teams1795516200000 } from './1795516200000-teams.js';
import { Usage1795527000000 } from './1795527000000-usage.js';
import { QuotaLeases1795528800000 } from './1795528800000-quota-leases.js';
import { KeyRotation1795530600000 } from './1795530600000-key-rotation.js';
import { QuotaUnits1795532400000 } from './1795532400000-quota-units.js';
import { Events1795534200000 } from './1795534200000-events.js';
import { Mlflow1795540000000 } from './1795540000000-mlflow.js';
import { TokenRevocation1795541000000 } from './1795541000000-token-revocation.js';
import { AliasProtection1795633823738 } from './1795633823738-alias-protection.js';
import { Webhooks1795634306920 } from './1795634306920-webhooks.js';
import { MetricSeries1795634312364 } from './1795634312364-metric-series.js';
import { TrainingLog1795634312365 } from './1795634312365-training-log.js';
import { ExternalNodes1795635026000 } from './1795635026000-external-nodes.js';
import { Search1795635152309 } from './1795635152309-search.js';
import { People1795636000000 } from './1795636000000-people.js';
import { Uploads1795636009521 } from './1795636009521-uploads.js';
import { IssuersAndApiTokens1795636335188 } from './1795636335188-issuers-and-api-tokens.js';
import { Retention1795636991003 } from './1795636991003-retention.js';
import { QuotaBlocks1795637000000 } from './1795637000000-quota-blocks.js';
import { UsageRows1795637000001 } from './1795637000001-usage-rows.js';
import { UsageExport1795638000000 } from './1795638000000-usage-export.js';
import { SignInProviders1795638197791 } from './1795638197791-sign-in-providers.js';
import { Integrity1795650000000 } from './1795650000000-integrity.js';
import { Creations1795660000000 } from './1795660000000-creations.js';
import { StagesAreAliases1795661000000 } from './1795661000000-stages-are-aliases.js';
import { ExternalHealth1795664582999 } from './1795664582999-external-health.js';

export const migrations: readonly (new () => MigrationInterface)[] = [
  Initial1795478760562,
  ReplicaNext1795489200000,
  HeldVersions1795489920000,
  Teams1795516200000,
  Usage1795527000000,
  QuotaLeases1795528800000,
  KeyRotation1795530600000,
  QuotaUnits1795532400000,
  Events1795534200000,
  Mlflow1795540000000,
  TokenRevocation1795541000000,
  AliasProtection1795633823738,
  Webhooks1795634306920,
  MetricSeries1795634312364,
  TrainingLog1795634312365,
  ExternalNodes1795635026000,
  Search1795635152309,
  People1795636000000,
  Uploads1795636009521,
  IssuersAndApiTokens1795636335188,
  Retention1795636991003,
  QuotaBlocks1795637000000,
  UsageRows1795637000001,
  UsageExport1795638000000,
  SignInProviders1795638197791,
  Integrity1795650000000,
  Creations1795660000000,
  StagesAreAliases1795661000000,
  ExternalHealth1795664582999,
];
