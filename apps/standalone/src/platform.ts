/**
 * The whole platform on this machine: data folder, database, programs, sample. Brought up in order of need and taken down in
 * the opposite order; whatever fails on the way up, `stop` leaves nothing running.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SluiceClientError, createClient } from '#client/client';
import type { TokenResponse } from '#contracts/clients';
import { type StandaloneConfig } from './config.js';
import { type Connection, forgetConnection, writeConnection } from './connection.js';
import { type DataFolder, openDataFolder } from './data-folder.js';
import { freePort } from './ports.js';
import { ensureDatabase, prepareEmbeddedPostgres } from './postgres/postgres.js';
import {
  type Deployment,
  gateway,
  logPathOf,
  migration,
  nodes,
  registry,
  registryUrlOf,
  worker,
} from './programs.js';
import { type Secrets, loadSecrets } from './secrets.js';
import { StartError } from '#platform/start';
import { runToEnd } from './supervise/one-shot.js';
import type { PartEvents, PartStatus } from './supervise/part.js';
import { Supervisor } from './supervise/supervisor.js';

/** A killed Sluice's programs notice within moments and then drain. */
const leftoverPatienceMs = 8_000;

export interface PlatformEvents extends PartEvents {
  notice(text: string): void;
}

export class Platform {
  readonly secrets: Secrets;
  private readonly folder: DataFolder;
  private readonly supervisor: Supervisor;
  private readonly stopRequested = new AbortController();
  private deployment: Deployment | undefined;
  private connection: Omit<Connection, 'pids'> | undefined;

  constructor(
    private readonly config: StandaloneConfig,
    private readonly events: PlatformEvents,
  ) {
    this.folder = openDataFolder(config.dataDir);
    forgetConnection(this.folder.path);
    const stored = loadSecrets(this.folder.path);
    this.secrets = {
      ...stored,
      admin_client_id: config.admin.id ?? stored.admin_client_id,
      admin_client_secret: config.admin.secret ?? stored.admin_client_secret,
    };
    this.supervisor = new Supervisor({
      changed: (status) => this.onChange(status),
      said: (name, line) => events.said(name, line),
    });
  }

  get dataFolder(): string {
    return this.folder.path;
  }

  /** Brings everything up. Resolves when every part is ready. */
  async start(): Promise<void> {
    const ports = await this.freePorts();
    const databaseUrl = this.config.databaseUrl ?? (await this.startDatabase());
    const { gatewayHost, nodes: count } = this.config;
    const deployment = {
      dataFolder: this.dataFolder,
      databaseUrl,
      ...ports,
      gatewayHost,
      nodes: count,
      secrets: this.secrets,
    };
    this.deployment = deployment;
    await runToEnd(migration(deployment), this.stopRequested.signal);
    await this.supervisor.start([registry(deployment)]);
    await this.supervisor.start([worker(deployment)], nodes(deployment), [gateway(deployment)]);
  }

  parts(): PartStatus[] {
    const external = this.config.databaseUrl && new URL(this.config.databaseUrl).host;
    const own = this.supervisor.status();
    if (!external) return own;
    return [
      { name: 'postgres', state: 'READY', address: external, pid: undefined, reason: undefined },
      ...own,
    ];
  }

  get registryUrl(): string {
    return registryUrlOf(this.running());
  }

  /** Where this machine reaches the gateway, also when that listens on every address. */
  get gatewayUrl(): string {
    const { gatewayHost, gatewayPort } = this.running();
    const host = ['0.0.0.0', '::'].includes(gatewayHost) ? '127.0.0.1' : gatewayHost;
    return `http://${host.includes(':') ? `[${host}]` : host}:${gatewayPort}`;
  }

  /** A token with all of the admin's rights or with one of them; undefined when the registry knows the admin by another secret, which its owner may have set. */
  async signIn(scope?: string): Promise<TokenResponse | undefined> {
    const { admin_client_id, admin_client_secret } = this.secrets;
    const credential = { client_id: admin_client_id, client_secret: admin_client_secret };
    const body = { grant_type: 'client_credentials', ...credential, scope } as const;
    try {
      return await createClient({ baseUrl: this.registryUrl }).auth.token({ body });
    } catch (error) {
      const isRefused = error instanceof SluiceClientError && (error.status === 401 || error.status === 403);
      if (isRefused) return undefined;
      throw error;
    }
  }

  /** Waits until the gateway has a replica for the endpoint; a restarted node loads its versions anew. */
  async waitForEndpoint(endpoint: string, versions: readonly number[], token: string): Promise<void> {
    const giveUpAtMs = performance.now() + 60_000;
    for (const version of versions) {
      const url = new URL(`/v2/models/${endpoint}/versions/${version}/ready`, this.gatewayUrl);
      for (;;) {
        const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
        await response.body?.cancel();
        if (response.ok) break;
        if (performance.now() > giveUpAtMs)
          throw new StartError(`${url.pathname} still answers ${response.status} after 60 s.`);
        await sleep(50);
      }
    }
  }

  /** Tells scripts that all is ready. */
  publishConnection(): void {
    this.connection = {
      gateway_url: this.gatewayUrl,
      registry_url: this.registryUrl,
      client_id: this.secrets.admin_client_id,
      client_secret: this.secrets.admin_client_secret,
    };
    writeConnection(this.dataFolder, this.connection, this.supervisor.status());
  }

  async stop(): Promise<void> {
    this.connection = undefined;
    forgetConnection(this.dataFolder);
    this.stopRequested.abort();
    await this.supervisor.stop();
  }

  /** Ends everything at once. */
  kill(): void {
    this.supervisor.kill();
  }

  private running(): Deployment {
    if (!this.deployment) throw new Error('The platform has not been started');
    return this.deployment;
  }

  private onChange(status: PartStatus): void {
    this.events.changed(status);
    if (this.connection && status.state === 'READY') {
      writeConnection(this.dataFolder, this.connection, this.supervisor.status());
    }
  }

  private async freePorts(): Promise<{ gatewayPort: number; registryPort: number }> {
    const patienceMs = this.folder.abandoned ? leftoverPatienceMs : 0;
    const { gatewayHost, gatewayPort, registryPort } = this.config;
    if (gatewayPort !== 0 && gatewayPort === registryPort) {
      throw new StartError(
        `Gateway and registry cannot both have port ${gatewayPort}. Choose another with SLUICE_REGISTRY_PORT.`,
      );
    }
    return {
      gatewayPort: await freePort({
        host: gatewayHost,
        port: gatewayPort,
        setting: 'SLUICE_GATEWAY_PORT',
        patienceMs,
      }),
      registryPort: await freePort({
        host: '127.0.0.1',
        port: registryPort,
        setting: 'SLUICE_REGISTRY_PORT',
        patienceMs,
      }),
    };
  }

  private async startDatabase(): Promise<string> {
    const { part, url, notices } = await prepareEmbeddedPostgres({
      dataFolder: this.dataFolder,
      password: this.secrets.postgres_password,
      logPath: logPathOf(this.dataFolder, 'postgres'),
      signal: this.stopRequested.signal,
    });
    for (const notice of notices) this.events.notice(notice);
    await this.supervisor.start([part]);
    await ensureDatabase(url);
    return url;
  }
}
