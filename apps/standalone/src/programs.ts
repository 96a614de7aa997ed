/** How each program of Sluice is started here: its file, its settings, its log. A program gets only the secrets that it needs. */
import { join } from 'node:path';
import { inheritedEnv } from '#platform/env';
import { gatewayNodeFlags, inferenceNodeFlags, packageRoot } from '#platform/program';
import type { Secrets } from './secrets.js';
import type { Launch, PartSpec } from './supervise/part.js';

export interface Deployment {
  readonly dataFolder: string;
  readonly databaseUrl: string;
  readonly registryPort: number;
  readonly gatewayHost: string;
  readonly gatewayPort: number;
  readonly nodes: number;
  readonly secrets: Secrets;
}

const loopback = '127.0.0.1';
/** The first person. */
export const adminLogin = 'admin';
/** Stopping all groups one after the other takes at most 10 s, the database's 3 s included. */
const stopWithinMs = { gateway: 2_500, node: 2_000, worker: 1_000, registry: 1_000 } as const;
const readyTimeoutMs = 60_000;

/** Secrets and addresses that must not leak from our own environment into programs that have no use for them. */
const withheld = {
  DATABASE_URL: '',
  REDIS_URL: '',
  SLUICE_ADMIN_CLIENT_SECRET: '',
  SLUICE_ADMIN_PASSWORD: '',
  SLUICE_NODE_JOIN_TOKEN: '',
  SLUICE_GATEWAY_JOIN_TOKEN: '',
  SLUICE_MASTER_KEY: '',
} as const;

function launchOf(
  program: string,
  settings: Record<string, string>,
  nodeFlags: readonly string[] = [],
): Launch {
  const file = join(packageRoot, 'dist', 'apps', program);
  // A program that finds no channel to its parent although it should have one knows that the parent died early.
  const env = inheritedEnv({ SLUICE_PARENT_IPC: '1', ...settings });
  return { file: process.execPath, args: [...nodeFlags, file], env };
}

export const logPathOf = (dataFolder: string, part: string): string =>
  join(dataFolder, 'logs', `${part}.log`);

function partOf(options: {
  deployment: Deployment;
  name: string;
  program: string;
  waitMs: number;
  settings: Record<string, string>;
  nodeFlags?: readonly string[];
}): PartSpec {
  return {
    name: options.name,
    launch: () => launchOf(options.program, options.settings, options.nodeFlags),
    ready: { by: 'ipc' },
    readyTimeoutMs,
    stop: [{ signal: 'SIGTERM', waitMs: options.waitMs }],
    logPath: logPathOf(options.deployment.dataFolder, options.name),
  };
}

function registrySettings(deployment: Deployment): Record<string, string> {
  const { secrets } = deployment;
  return {
    DATABASE_URL: deployment.databaseUrl,
    SLUICE_REGISTRY_HOST: loopback,
    SLUICE_REGISTRY_PORT: String(deployment.registryPort),
    SLUICE_ARTIFACTS_DIR: join(deployment.dataFolder, 'artifacts'),
    SLUICE_NODE_JOIN_TOKEN: secrets.node_join_token,
    SLUICE_GATEWAY_JOIN_TOKEN: secrets.gateway_join_token,
    SLUICE_MASTER_KEY: secrets.master_key,
    SLUICE_ADMIN_CLIENT_ID: secrets.admin_client_id,
    SLUICE_ADMIN_CLIENT_SECRET: secrets.admin_client_secret,
    SLUICE_ADMIN_LOGIN: adminLogin,
    SLUICE_ADMIN_PASSWORD: secrets.admin_password,
  };
}

export const registryUrlOf = (deployment: Deployment): string =>
  `http://${loopback}:${deployment.registryPort}`;

/** The migrations: they end before the registry starts. */
export function migration(deployment: Deployment) {
  return {
    name: 'migrate',
    launch: launchOf('registry/src/migrate.js', registrySettings(deployment)),
    logPath: logPathOf(deployment.dataFolder, 'migrate'),
  };
}

export const registry = (deployment: Deployment): PartSpec =>
  partOf({
    deployment,
    name: 'registry',
    program: 'registry/src/main.js',
    waitMs: stopWithinMs.registry,
    settings: registrySettings(deployment),
  });

export const worker = (deployment: Deployment): PartSpec =>
  partOf({
    deployment,
    name: 'worker',
    program: 'registry/src/worker.js',
    waitMs: stopWithinMs.worker,
    settings: registrySettings(deployment),
  });

/** A node keeps its name and its cache over restarts. */
export function nodes(deployment: Deployment): PartSpec[] {
  return Array.from({ length: deployment.nodes }, (_, index) => {
    const name = `node-${index + 1}`;
    return partOf({
      deployment,
      name,
      program: 'node/src/main.js',
      nodeFlags: inferenceNodeFlags,
      waitMs: stopWithinMs.node,
      settings: {
        ...withheld,
        SLUICE_REGISTRY_URL: registryUrlOf(deployment),
        SLUICE_NODE_JOIN_TOKEN: deployment.secrets.node_join_token,
        SLUICE_NODE_NAME: name,
        SLUICE_NODE_HOST: loopback,
        SLUICE_NODE_PORT: '0',
        SLUICE_NODE_LEAVE_GRACE_MS: '0', // the gateway is gone before
        SLUICE_NODE_DATA_DIR: join(deployment.dataFolder, 'nodes', name),
      },
    });
  });
}

export const gateway = (deployment: Deployment): PartSpec =>
  partOf({
    deployment,
    name: 'gateway',
    program: 'gateway/src/main.js',
    nodeFlags: gatewayNodeFlags,
    waitMs: stopWithinMs.gateway,
    settings: {
      ...withheld,
      SLUICE_REGISTRY_URL: registryUrlOf(deployment),
      SLUICE_GATEWAY_JOIN_TOKEN: deployment.secrets.gateway_join_token,
      SLUICE_GATEWAY_NAME: 'gateway',
      SLUICE_GATEWAY_HOST: deployment.gatewayHost,
      SLUICE_GATEWAY_PORT: String(deployment.gatewayPort),
      SLUICE_GATEWAY_ADMIN_PORT: '0',
      SLUICE_GATEWAY_LEAVE_GRACE_MS: '0', // nobody stands in front of it
      SLUICE_GATEWAY_DRAIN_TIMEOUT_MS: String(stopWithinMs.gateway - 300),
      SLUICE_GATEWAY_DATA_DIR: join(deployment.dataFolder, 'gateway'),
    },
  });
