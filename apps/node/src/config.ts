/** The node's settings, from the environment. */
import { availableParallelism, hostname, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import { Name } from '#contracts/common';
import type { CodecLimits } from '#inference/limits';
import type { TracingSettings } from '#platform/open-spans';
import { ConfigError, commonSettings, loadEnv, portSetting, secretSetting } from '#platform/env';
import type { ServerTlsSettings } from '#platform/server-tls';

const bytesSetting = z.coerce.number().int().min(1);

/** `rack=a,disk=ssd` */
const labelsSetting = z.string().transform((text, context) => {
  const labels: Record<string, string> = {};
  for (const pair of text.split(',')) {
    const [key = '', ...rest] = pair.split('=');
    if (key.trim() === '' || rest.length === 0) {
      context.addIssue({ code: 'custom', message: 'must be key=value pairs with commas between them' });
      return z.NEVER;
    }
    labels[key.trim()] = rest.join('=').trim();
  }
  return labels;
});

export const NodeSettings = z.object({
  ...commonSettings,
  SLUICE_REGISTRY_URL: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:8081'),
  SLUICE_NODE_JOIN_TOKEN: secretSetting,
  SLUICE_NODE_NAME: Name.optional(),
  SLUICE_NODE_HOST: z.string().default('127.0.0.1'),
  SLUICE_NODE_PORT: portSetting.default(8090),
  SLUICE_NODE_ADDRESS: z.url({ protocol: /^https?$/ }).optional(),
  SLUICE_NODE_TLS_CERT: z.string().min(1).optional(),
  SLUICE_NODE_TLS_KEY: z.string().min(1).optional(),
  SLUICE_NODE_TLS_CLIENT_CA: z.string().min(1).optional(),
  SLUICE_NODE_DATA_DIR: z.string().default('./data/node'),
  SLUICE_NODE_CACHE_BYTES: bytesSetting.default(10 * 2 ** 30),
  SLUICE_NODE_CORES: z.coerce.number().int().min(1).optional(),
  SLUICE_NODE_MEMORY_BYTES: bytesSetting.optional(),
  SLUICE_NODE_RUNNER_MAX_BYTES: bytesSetting.optional(),
  SLUICE_NODE_LABELS: labelsSetting.optional(),
  SLUICE_NODE_MAX_BODY_BYTES: bytesSetting.default(64 * 2 ** 20),
  SLUICE_NODE_MAX_INFLATED_BYTES: bytesSetting.default(64 * 2 ** 20),
  SLUICE_NODE_KEPT_BYTES: z.coerce
    .number()
    .int()
    .min(0)
    .default(256 * 2 ** 20),
  SLUICE_NODE_MAX_JSON_DEPTH: z.coerce.number().int().min(8).max(1_000).default(100),
  SLUICE_NODE_MAX_TENSOR_ELEMENTS: z.coerce
    .number()
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .default(2 ** 28),
  SLUICE_NODE_BODY_TIMEOUT_MS: z.coerce.number().int().min(1).max(3_600_000).default(300_000),
  SLUICE_NODE_SERVER_NAME: z.string().min(1).max(255).default('sluice'),
  SLUICE_NODE_HARD_LIMIT_MS: z.coerce.number().int().min(1).default(5_000),
  SLUICE_NODE_LOAD_TIMEOUT_MS: z.coerce.number().int().min(1).default(300_000),
  SLUICE_NODE_DRAIN_GRACE_MS: z.coerce.number().int().min(0).default(2_000),
  SLUICE_NODE_LEAVE_GRACE_MS: z.coerce.number().int().min(0).default(1_200),
});

export interface NodeConfig {
  readonly registryUrl: string;
  readonly joinToken: string;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Where gateways reach this node; undefined: host and the port that it got. */
  readonly address: string | undefined;
  readonly tls: ServerTlsSettings | undefined;
  readonly dataFolder: string;
  readonly cacheBytes: number;
  readonly cores: number;
  readonly memoryBytes: number;
  /** A runner that outgrows this is replaced; undefined: 1 GiB or three times what it held after loading, whichever is more. */
  readonly runnerMaxBytes: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly maxBodyBytes: number;
  /** Of a compressed request, once it is inflated. */
  readonly maxInflatedBytes: number;
  /** Of the bodies that the front keeps, so that another runner can take requests that a dead one had not begun. */
  readonly keptBytes: number;
  /** How much one request may ask of the decoders. */
  readonly codec: CodecLimits;
  /** How long a request may take to arrive. */
  readonly bodyTimeoutMs: number;
  /** What the node calls itself in the Open Inference Protocol; scripts written for Triton look for `triton`. */
  readonly serverName: string;
  /** Grace after a request's deadline before its runner counts as stuck. */
  readonly hardLimitMs: number;
  readonly loadTimeoutMs: number;
  /** How long a leaving version still takes callers. */
  readonly drainGraceMs: number;
  /** How long a node told to end still takes callers, at most. */
  readonly leaveGraceMs: number;
  readonly tracing: TracingSettings;
  readonly logLevel: z.output<typeof NodeSettings>['SLUICE_LOG_LEVEL'];
}

/** @throws ConfigError when one of the two files is not named */
function tlsFiles(env: z.output<typeof NodeSettings>): ServerTlsSettings | undefined {
  const { SLUICE_NODE_TLS_CERT: certFile, SLUICE_NODE_TLS_KEY: keyFile } = env;
  const clientCaFile = env.SLUICE_NODE_TLS_CLIENT_CA;
  if (certFile !== undefined && keyFile !== undefined)
    return { what: 'the node (SLUICE_NODE_TLS_CERT, _KEY, _CLIENT_CA)', certFile, keyFile, clientCaFile };
  if (certFile === undefined && keyFile === undefined && clientCaFile === undefined) return undefined;
  throw new ConfigError('SLUICE_NODE_TLS_CERT and SLUICE_NODE_TLS_KEY go together: set both or none.');
}

/** @throws ConfigError that names each wrong variable */
export function loadConfig(source?: NodeJS.ProcessEnv): NodeConfig {
  const env = loadEnv(NodeSettings, source);
  return {
    registryUrl: env.SLUICE_REGISTRY_URL,
    tracing: env,
    joinToken: env.SLUICE_NODE_JOIN_TOKEN,
    name: env.SLUICE_NODE_NAME ?? `${hostname()}-${env.SLUICE_NODE_PORT}`,
    host: env.SLUICE_NODE_HOST,
    port: env.SLUICE_NODE_PORT,
    address: env.SLUICE_NODE_ADDRESS,
    tls: tlsFiles(env),
    dataFolder: resolve(env.SLUICE_NODE_DATA_DIR),
    cacheBytes: env.SLUICE_NODE_CACHE_BYTES,
    cores: env.SLUICE_NODE_CORES ?? availableParallelism(),
    memoryBytes: env.SLUICE_NODE_MEMORY_BYTES ?? totalmem(),
    runnerMaxBytes: env.SLUICE_NODE_RUNNER_MAX_BYTES,
    labels: env.SLUICE_NODE_LABELS ?? {},
    maxBodyBytes: env.SLUICE_NODE_MAX_BODY_BYTES,
    maxInflatedBytes: env.SLUICE_NODE_MAX_INFLATED_BYTES,
    keptBytes: env.SLUICE_NODE_KEPT_BYTES,
    codec: { maxDepth: env.SLUICE_NODE_MAX_JSON_DEPTH, maxElements: env.SLUICE_NODE_MAX_TENSOR_ELEMENTS },
    bodyTimeoutMs: env.SLUICE_NODE_BODY_TIMEOUT_MS,
    serverName: env.SLUICE_NODE_SERVER_NAME,
    hardLimitMs: env.SLUICE_NODE_HARD_LIMIT_MS,
    loadTimeoutMs: env.SLUICE_NODE_LOAD_TIMEOUT_MS,
    drainGraceMs: env.SLUICE_NODE_DRAIN_GRACE_MS,
    leaveGraceMs: env.SLUICE_NODE_LEAVE_GRACE_MS,
    logLevel: env.SLUICE_LOG_LEVEL,
  };
}
