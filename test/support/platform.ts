/**
 * The whole platform as processes, as `npm start` runs it, on free ports and an empty data folder.
 * It stops what it started, and only that.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '#client/client';
import type { ClientOptions, SluiceClient } from '#client/client';
import { clientCredentials } from '#client/credentials';
import type { Version } from '#contracts/models';
import { packageRoot } from '#platform/program';
import { z } from 'zod';

const Connection = z.object({
  gateway_url: z.url(),
  registry_url: z.url(),
  client_id: z.string(),
  client_secret: z.string(),
  pids: z.record(z.string(), z.number()),
});
export type Connection = z.infer<typeof Connection>;

export interface Platform {
  readonly dataDir: string;
  readonly gatewayUrl: string;
  readonly registryUrl: string;
  readonly admin: SluiceClient;
  readonly adminOptions: ClientOptions;
  /** Reads connection.json again: pids change when a part is restarted. */
  connection(): Promise<Connection>;
  /** A new client with these scopes. */
  createCaller(scopes: readonly string[]): Promise<Caller>;
  waitForVersion(model: string, version: number, status: Version['status']): Promise<Version>;
  stop(): Promise<void>;
}

export interface Caller {
  readonly clientId: string;
  readonly clientSecret: string;
  token(): Promise<string>;
  /** POSTs to the inference path of an endpoint. */
  infer(target: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

export const standaloneMain = join(packageRoot, 'dist/apps/standalone/src/main.js');

/** Starts `npm start`'s program; resolves when connection.json says that it is ready. */
export async function startPlatform(
  options: { nodes?: number; dataDir?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<Platform> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'sluice-e2e-')));
  const child = spawn(process.execPath, [standaloneMain], {
    env: {
      ...process.env,
      ...options.env,
      SLUICE_DATA_DIR: dataDir,
      SLUICE_GATEWAY_PORT: '0',
      SLUICE_REGISTRY_PORT: '0',
      SLUICE_NODES: String(options.nodes ?? 1),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = collectOutput(child);
  await readyOrDead(child, join(dataDir, 'connection.json'), output);
  return connect(dataDir, child, options.dataDir === undefined);
}

function collectOutput(child: ChildProcess): () => string {
  let text = '';
  const add = (chunk: Buffer): void => {
    text = (text + chunk.toString()).slice(-20_000);
  };
  child.stdout?.on('data', add);
  child.stderr?.on('data', add);
  return () => text;
}

async function readyOrDead(child: ChildProcess, connectionFile: string, output: () => string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the platform did not start:\n${output()}`);
    if (await exists(connectionFile)) return;
    await pause(100);
  }
}

async function connect(dataDir: string, child: ChildProcess, temporary: boolean): Promise<Platform> {
  const connection = async (): Promise<Connection> =>
    Connection.parse(JSON.parse(await readFile(join(dataDir, 'connection.json'), 'utf8')));
  const { gateway_url: gatewayUrl, registry_url: registryUrl, client_id, client_secret } = await connection();
  const adminOptions: ClientOptions = {
    baseUrl: gatewayUrl,
    token: clientCredentials({ baseUrl: gatewayUrl, clientId: client_id, clientSecret: client_secret }),
  };
  const admin = createClient(adminOptions);
  return {
    dataDir,
    gatewayUrl,
    registryUrl,
    admin,
    adminOptions,
    connection,
    createCaller: (scopes) => createCaller(admin, gatewayUrl, scopes),
    waitForVersion: (model, version, status) => waitForVersion(admin, model, version, status),
    stop: async () => {
      if (child.exitCode === null) {
        child.kill('SIGINT');
        await once(child, 'exit');
      }
      if (temporary) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function createCaller(
  admin: SluiceClient,
  gatewayUrl: string,
  scopes: readonly string[],
): Promise<Caller> {
  const created = await admin.clients.create({
    body: { name: `caller ${scopes.join(' ').replaceAll(':', ' of ')}`, scopes: [...scopes] },
  });
  const token = clientCredentials({
    baseUrl: gatewayUrl,
    clientId: created.client_id,
    clientSecret: created.client_secret,
  });
  return {
    clientId: created.client_id,
    clientSecret: created.client_secret,
    token,
    infer: async (target, body, headers = {}) =>
      fetch(`${gatewayUrl}/v2/models/${target}/infer`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${await token()}`, ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
}

async function waitForVersion(
  admin: SluiceClient,
  model: string,
  version: number,
  status: Version['status'],
): Promise<Version> {
  return eventually(async () => {
    const read = await admin.versions.read({ params: { model, version: String(version) } });
    if (read.status !== status && read.status !== 'PENDING')
      throw new Fatal(`${model}/${version} became ${read.status}: ${read.status_reason}`);
    return read.status === status ? read : undefined;
  }, `${model}/${version} is ${status}`);
}

/** Ends {@link eventually} at once. */
export class Fatal extends Error {}

/** Asks again until `check` gives a value; for states of other processes that announce nothing. */
export async function eventually<T>(
  check: () => Promise<T | undefined>,
  what: string,
  timeoutMs = 60_000,
): Promise<T> {
  const endMs = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < endMs) {
    try {
      const value = await check();
      if (value !== undefined) return value;
    } catch (error) {
      if (error instanceof Fatal) throw error;
      last = error;
    }
    await pause(50);
  }
  throw new Error(`never came true: ${what}`, { cause: last });
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
