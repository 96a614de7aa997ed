/** The registry's settings, parsed once at start. Injected as `@Inject(CONFIG) config: RegistryConfig`. */
import { booleanSetting, commonSettings, loadEnv, portSetting, secretSetting } from '#platform/env';
import { Login } from '#contracts/people';
import { z } from 'zod';

const tebibyte = 2 ** 40;

/** What it takes to reach the database; all that `migrate` needs. */
export const DatabaseSettings = z.object({
  DATABASE_URL: z.url({
    protocol: /^postgres(ql)?$/,
    error: 'must be postgres://user:password@host:port/name',
  }),
  ...commonSettings,
});

export const RegistrySettings = DatabaseSettings.extend({
  SLUICE_REGISTRY_HOST: z.string().min(1).default('127.0.0.1'),
  SLUICE_REGISTRY_PORT: portSetting.default(8081),
  SLUICE_DATABASE_CONNECTIONS: z.coerce.number().int().min(2).max(500).default(10),
  SLUICE_ARTIFACTS_DIR: z.string().min(1).default('./data/artifacts'),
  SLUICE_S3_BUCKET: z.string().min(3).max(63).optional(),
  SLUICE_S3_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  SLUICE_S3_REGION: z.string().min(1).default('us-east-1'),
  SLUICE_S3_ACCESS_KEY_ID: z.string().min(1).optional(),
  SLUICE_S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  SLUICE_MAX_UPLOAD_BYTES: z.coerce
    .number()
    .int()
    .min(1)
    .max(64 * tebibyte)
    .default(10 * 2 ** 30),
  SLUICE_ARTIFACT_GRACE_S: z.coerce.number().int().min(60).max(31_536_000).default(86_400),
  SLUICE_UPLOAD_TTL_S: z.coerce.number().int().min(60).max(31_536_000).default(86_400),
  SLUICE_ISSUER: z.string().min(1).default('sluice'),
  SLUICE_AUDIENCE: z.string().min(1).default('sluice'),
  SLUICE_SIGNING_ALGORITHM: z.enum(['RS256', 'ES256']).default('RS256'),
  SLUICE_MASTER_KEY: z.string().min(32, 'must have at least 32 characters').optional(),
  SLUICE_KEY_ROTATION_DAYS: z.coerce.number().int().min(0).max(3_650).default(90),
  SLUICE_TOKEN_TTL_S: z.coerce.number().int().min(30).max(86_400).default(900),
  SLUICE_SESSION_TTL_S: z.coerce
    .number()
    .int()
    .min(60)
    .max(365 * 86_400)
    .default(14 * 86_400),
  SLUICE_NODE_JOIN_TOKEN: secretSetting,
  SLUICE_GATEWAY_JOIN_TOKEN: secretSetting,
  SLUICE_ADMIN_CLIENT_ID: z.string().min(3).max(128).default('admin'),
  SLUICE_ADMIN_CLIENT_SECRET: secretSetting.optional(),
  SLUICE_ADMIN_LOGIN: Login.default('admin'),
  SLUICE_ADMIN_PASSWORD: z.string().min(12, 'must have at least 12 characters').optional(),
  SLUICE_REGISTRY_TRUSTED_PROXIES: z.string().min(1).default('loopback'),
  SLUICE_PUBLIC_URL: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:8080'),
  SLUICE_ISSUER_KEYS_EVERY_S: z.coerce.number().int().min(30).max(86_400).default(300),
  SLUICE_ISSUER_PRIVATE_ADDRESSES: booleanSetting.default(false),
  SLUICE_LEASE_MS: z.coerce.number().int().min(500).max(300_000).default(10_000),
  SLUICE_QUOTA_LEASE_MS: z.coerce.number().int().min(1_000).max(3_600_000).default(30_000),
  SLUICE_EVENT_RETENTION_DAYS: z.coerce.number().int().min(1).max(3_650).default(30),
  SLUICE_WEBHOOK_PRIVATE_ADDRESSES: booleanSetting.default(false),
  REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
});

export type RegistryConfig = z.output<typeof RegistrySettings>;
/** Injection token of the settings. */
export const CONFIG = Symbol('registry settings');
/** Injection token of the logger (`Logger` of `#platform/logger`). */
export const LOGGER = Symbol('logger');

export const loadConfig = (source?: NodeJS.ProcessEnv): RegistryConfig => loadEnv(RegistrySettings, source);
