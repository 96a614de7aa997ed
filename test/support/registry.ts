/**
 * A registry in the test's own process: the real application on a real socket, over a fresh, migrated database.
 * Its admin client has the scope `admin`; other callers are made by `caller`.
 */
import { createClient } from '#client/client';
import type { SluiceClient } from '#client/client';
import type { RouteSpec } from '#contracts/route';
import { createLogger } from '#platform/logger';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataSource } from 'typeorm';
import { inject } from 'vitest';
import { createApp } from '../../apps/registry/src/app.js';
import { loadConfig } from '../../apps/registry/src/config.js';
import type { RegistryConfig } from '../../apps/registry/src/config.js';
import { migrate, openDatabase } from '../../apps/registry/src/schema.js';
import { createDatabase } from './postgres.js';

export interface TestRegistry {
  readonly url: string;
  readonly databaseUrl: string;
  readonly config: RegistryConfig;
  readonly app: NestFastifyApplication;
  readonly dataSource: DataSource;
  /** Has the scope `admin`. */
  readonly admin: SluiceClient;
  readonly adminToken: string;
  /** A new client with these scopes, and its token. */
  caller(...scopes: string[]): Promise<TestCaller>;
  /** A client that sends this token (or join token). */
  clientWith(token: string): SluiceClient;
  /** Sends a request as it is: for wrong tokens, wrong bodies and raw answers. */
  send(method: RouteSpec['method'], path: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

export interface TestCaller {
  readonly clientId: string;
  readonly secret: string;
  readonly token: string;
  readonly client: SluiceClient;
}

export const adminSecret = 'admin-secret-of-the-tests';
export const nodeJoinToken = 'node-join-token-of-the-tests';
export const gatewayJoinToken = 'gateway-join-token-of-the-tests';

/**
 * @param settings environment variables on top of the test's own
 * @param serverUrl of a PostgreSQL of the spec's own, which it may stop; else the one that all share
 */
export async function startRegistry(
  settings: Record<string, string> = {},
  serverUrl: string = inject('postgresUrl'),
): Promise<TestRegistry> {
  const database = await createDatabase(serverUrl);
  await migrate(database.url);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-registry-'));
  const registry = await openRegistry(database.url, { SLUICE_ARTIFACTS_DIR: folder, ...settings });
  return {
    ...registry,
    close: async () => {
      await registry.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A registry on a database that is there already: a second one beside the first, or the first started again. */
export async function openRegistry(
  databaseUrl: string,
  settings: Record<string, string>,
): Promise<TestRegistry> {
  const config = loadConfig({
    DATABASE_URL: databaseUrl,
    SLUICE_REGISTRY_PORT: '0',
    SLUICE_NODE_JOIN_TOKEN: nodeJoinToken,
    SLUICE_GATEWAY_JOIN_TOKEN: gatewayJoinToken,
    SLUICE_ADMIN_CLIENT_SECRET: adminSecret,
    SLUICE_LOG_LEVEL: 'silent',
    ...settings,
  });
  const dataSource = await openDatabase(databaseUrl, config.SLUICE_DATABASE_CONNECTIONS);
  const app = await createApp({
    config,
    logger: createLogger('registry', config.SLUICE_LOG_LEVEL),
    dataSource,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const url = await app.getUrl();
  const adminToken = await tokenOf(url, config.SLUICE_ADMIN_CLIENT_ID, adminSecret);
  const clientWith = (token: string): SluiceClient => createClient({ baseUrl: url, token: () => token });
  const admin = clientWith(adminToken);
  return {
    url,
    databaseUrl,
    config,
    app,
    dataSource,
    admin,
    adminToken,
    clientWith,
    caller: async (...scopes) => {
      const made = await admin.clients.create({ body: { name: 'caller', scopes } });
      const token = await tokenOf(url, made.client_id, made.client_secret);
      return { clientId: made.client_id, secret: made.client_secret, token, client: clientWith(token) };
    },
    send: (method, path, init = {}) => fetch(new URL(path, url), { ...init, method }),
    close: () => app.close(),
  };
}

async function tokenOf(url: string, clientId: string, secret: string): Promise<string> {
  const body = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret } as const;
  const { access_token: token } = await createClient({ baseUrl: url }).auth.token({ body });
  return token;
}
