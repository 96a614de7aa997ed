/** The gateway's settings, from the environment. */
import { hostname } from 'node:os';
import { z } from 'zod';
import { Name } from '#contracts/common';
import { ConfigError, booleanSetting, commonSettings, portSetting, secretSetting } from '#platform/env';
import { messageOf } from '#platform/errors';
import type { ServerTls, ServerTlsSettings } from '#platform/server-tls';
import { parseOrigins } from './data-plane/cors.js';
import type { DataPlaneSettings } from './data-plane/core.js';
import type { NodeTls } from './data-plane/node-connector.js';
import { parseTrustList } from './data-plane/forwarded.js';
import type { ListenSettings } from './data-plane/server.js';

const mebibyte = 1_048_576;
const bytes = z.coerce.number().int().min(0).max(2_147_483_647);
const milliseconds = z.coerce.number().int().min(1).max(3_600_000);
/** Comma-separated entries, made into something by `parse`, whose exception tells what is wrong with them. */
const listOf = <T>(parse: (entries: readonly string[]) => T) =>
  z.string().transform((text, context) => {
    try {
      return parse(text.split(',').flatMap((entry) => entry.trim() || []));
    } catch (error) {
      context.addIssue(messageOf(error));
      return z.NEVER;
    }
  });
const count = z.coerce.number().int().min(1).max(10_000_000);

export const GatewaySettings = z.object({
  ...commonSettings,
  SLUICE_REGISTRY_URL: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:8081'),
  SLUICE_GATEWAY_JOIN_TOKEN: secretSetting,
  SLUICE_GATEWAY_NAME: Name.default(() => hostname()),
  SLUICE_GATEWAY_SERVER_NAME: z.string().min(1).max(255).default('sluice'),
  SLUICE_GATEWAY_HOST: z.string().min(1).default('127.0.0.1'),
  SLUICE_GATEWAY_PORT: portSetting.default(8080),
  SLUICE_GATEWAY_ADMIN_HOST: z.string().min(1).default('127.0.0.1'),
  SLUICE_GATEWAY_ADMIN_PORT: portSetting.default(8082),
  SLUICE_GATEWAY_WORKERS: z.coerce.number().int().min(1).max(128).default(1),
  SLUICE_GATEWAY_DATA_DIR: z.string().min(1).default('./data/gateway'),
  SLUICE_GATEWAY_HOLD_BYTES: bytes.default(mebibyte),
  SLUICE_GATEWAY_MAX_BODY_BYTES: bytes.default(64 * mebibyte),
  SLUICE_GATEWAY_MAX_TIMEOUT_MS: milliseconds.default(600_000),
  SLUICE_GATEWAY_CONNECT_TIMEOUT_MS: milliseconds.default(2_000),
  SLUICE_GATEWAY_NODE_CONNECTIONS: count.default(512),
  SLUICE_GATEWAY_SHADOW_REQUESTS: z.coerce.number().int().min(0).max(100_000).default(64),
  SLUICE_GATEWAY_SHADOW_BYTES: bytes.default(64 * mebibyte),
  SLUICE_GATEWAY_SHADOW_COMPARED_BYTES: bytes.default(8 * mebibyte),
  SLUICE_GATEWAY_NODE_CA: z.string().min(1).optional(),
  SLUICE_GATEWAY_NODE_CERT: z.string().min(1).optional(),
  SLUICE_GATEWAY_NODE_KEY: z.string().min(1).optional(),
  SLUICE_GATEWAY_CACHED_TOKENS: count.default(10_000),
  SLUICE_GATEWAY_ACCESS_LOG: z.string().min(1).default('-'),
  SLUICE_GATEWAY_ACCESS_LOG_SHARE: z.coerce.number().min(0).max(1).default(0.01),
  SLUICE_GATEWAY_USAGE_EVERY_MS: milliseconds.default(1_000),
  SLUICE_GATEWAY_MAX_WAITING: z.coerce.number().int().min(0).max(100_000).default(256),
  SLUICE_GATEWAY_MAX_WAIT_MS: milliseconds.default(1_000),
  SLUICE_GATEWAY_ADAPTIVE_LIMIT: booleanSetting.default(false),
  SLUICE_GATEWAY_FAST_LANE: booleanSetting.default(true),
  SLUICE_GATEWAY_HEADERS_TIMEOUT_MS: milliseconds.default(10_000),
  SLUICE_GATEWAY_BODY_TIMEOUT_MS: milliseconds.default(60_000),
  SLUICE_GATEWAY_TRUSTED_PROXIES: listOf(parseTrustList).prefault(''),
  SLUICE_GATEWAY_CORS_ORIGINS: listOf(parseOrigins).prefault(''),
  SLUICE_GATEWAY_TLS_CERT: z.string().min(1).optional(),
  SLUICE_GATEWAY_TLS_KEY: z.string().min(1).optional(),
  SLUICE_GATEWAY_TLS_MIN_VERSION: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
  SLUICE_GATEWAY_LEAVE_GRACE_MS: z.coerce.number().int().min(0).max(600_000).default(1_000),
  SLUICE_GATEWAY_DRAIN_TIMEOUT_MS: milliseconds.default(30_000),
});
export type GatewaySettings = z.infer<typeof GatewaySettings>;

/** What the data plane needs of them. */
export const dataPlaneSettings = (settings: GatewaySettings, nodeTls: () => NodeTls): DataPlaneSettings => ({
  nodeTls,
  registryUrl: settings.SLUICE_REGISTRY_URL,
  serverName: settings.SLUICE_GATEWAY_SERVER_NAME,
  holdBytes: Math.min(settings.SLUICE_GATEWAY_HOLD_BYTES, settings.SLUICE_GATEWAY_MAX_BODY_BYTES),
  maxBodyBytes: settings.SLUICE_GATEWAY_MAX_BODY_BYTES,
  maxTimeoutMs: settings.SLUICE_GATEWAY_MAX_TIMEOUT_MS,
  bodyTimeoutMs: settings.SLUICE_GATEWAY_BODY_TIMEOUT_MS,
  maxCachedTokens: settings.SLUICE_GATEWAY_CACHED_TOKENS,
  corsOrigins: settings.SLUICE_GATEWAY_CORS_ORIGINS,
  maxShadows: settings.SLUICE_GATEWAY_SHADOW_REQUESTS,
  maxShadowBytes: settings.SLUICE_GATEWAY_SHADOW_BYTES,
  maxComparedBytes: settings.SLUICE_GATEWAY_SHADOW_COMPARED_BYTES,
  maxConnectionsPerNode: settings.SLUICE_GATEWAY_NODE_CONNECTIONS,
  maxWaiting: settings.SLUICE_GATEWAY_MAX_WAITING,
  maxWaitMs: settings.SLUICE_GATEWAY_MAX_WAIT_MS,
  adaptiveLimit: settings.SLUICE_GATEWAY_ADAPTIVE_LIMIT,
  connectTimeoutMs: settings.SLUICE_GATEWAY_CONNECT_TIMEOUT_MS,
  hasFastLane: settings.SLUICE_GATEWAY_FAST_LANE,
});

/** Where the certificate of the public side is; undefined without one. @throws ConfigError when one of the two files is not named */
export function tlsSettings(settings: GatewaySettings): ServerTlsSettings | undefined {
  const { SLUICE_GATEWAY_TLS_CERT: certFile, SLUICE_GATEWAY_TLS_KEY: keyFile } = settings;
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined)
    throw new ConfigError(
      'SLUICE_GATEWAY_TLS_CERT and SLUICE_GATEWAY_TLS_KEY go together: set both or none.',
    );
  const minVersion = settings.SLUICE_GATEWAY_TLS_MIN_VERSION;
  // HTTP/1.1 is all that is spoken here, and ALPN says so (RFC 7301 §3.2).
  const fixed = { minVersion, ALPNProtocols: ['http/1.1'] };
  return { what: 'the public address', certFile, keyFile, fixed };
}

/** How the public side listens. */
export const listenSettings = (settings: GatewaySettings, tls: ServerTls | undefined): ListenSettings => ({
  tls,
  host: settings.SLUICE_GATEWAY_HOST,
  port: settings.SLUICE_GATEWAY_PORT,
  headersTimeoutMs: settings.SLUICE_GATEWAY_HEADERS_TIMEOUT_MS,
  hasFastLane: settings.SLUICE_GATEWAY_FAST_LANE,
  trustedProxies: settings.SLUICE_GATEWAY_TRUSTED_PROXIES,
});
