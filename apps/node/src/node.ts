/** Puts a node together: HTTP front, replicas, membership; and takes it apart in the order in which nobody notices. */
import { mkdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { pause } from '#client/backoff';
import { createClient } from '#client/client';
import type { NodeLease } from '#contracts/nodes';
import { endConnections } from '#platform/end-connections';
import { messageOf } from '#platform/errors';
import { programVersion } from '#platform/program';
import type { Logger } from '#platform/logger';
import { openSpans } from '#platform/open-spans';
import { ServerTls } from '#platform/server-tls';
import type { SpanSink } from '#platform/spans';
import type { TokenRules } from '#platform/tokens';
import { ArtifactCache } from './agent/artifact-cache.js';
import { artifactSource } from './agent/artifact-source.js';
import { Gate } from './agent/gate.js';
import { Membership } from './agent/membership.js';
import { ReplicaSet } from './agent/replica-set.js';
import { removeFolder } from './agent/version-folder.js';
import type { NodeConfig } from './config.js';
import { GatewayAuth } from './serving/gateway-auth.js';
import { KeptBytes } from './serving/kept-bytes.js';
import { createFront } from './serving/http-server.js';

export interface Node {
  readonly url: string;
  /** Resolves when the registry has taken the node in. */
  readonly registered: Promise<void>;
  /** Requests whose callers wait for a model. */
  readonly inFlight: number;
  close(): Promise<void>;
}

/** After the registry has taken everything away, gateways still need a moment to hear of it. */
const snapshotTravelMs = 250;
const farewellMs = 500;
const keysMs = 5_000;

/** Issuer and audience of the installation, from the credential that the registry gave us over the join token's call. */
function rulesOf(lease: NodeLease): TokenRules {
  const { iss, aud } = decodeJwt(lease.credential);
  const audience = Array.isArray(aud) ? aud[0] : aud;
  if (iss === undefined || audience === undefined)
    throw new Error('the registry gave a credential without issuer or audience');
  return { issuer: iss, audience };
}

export async function startNode(config: NodeConfig, logger: Logger): Promise<Node> {
  const tls = config.tls && (await ServerTls.open(config.tls, logger));
  const spans = await openSpans(config.tracing, 'node', config.name, logger);
  const running = new RunningNode(config, logger, spans, tls);
  await running.start();
  return running;
}

class RunningNode implements Node {
  url = '';
  readonly registered: Promise<void>;
  private markRegistered: () => void = () => undefined;
  private rules: TokenRules | undefined;
  private nodeId = '';
  private isDraining = false;
  private onEmptied: (() => void) | undefined;
  private readonly auth: GatewayAuth;
  private readonly server: Server;
  private readonly endConnections: () => void;
  private readonly replicas: ReplicaSet;
  private membership: Membership | undefined;

  constructor(
    private readonly config: NodeConfig,
    private readonly logger: Logger,
    private readonly spans: SpanSink | undefined,
    private readonly tls: ServerTls | undefined,
  ) {
    this.registered = new Promise((resolve) => (this.markRegistered = resolve));
    this.replicas = this.createReplicas();
    this.auth = this.createAuth();
    this.server = this.createServer();
    this.endConnections = endConnections(this.server);
  }

  async start(): Promise<void> {
    const { config } = this;
    await removeFolder(this.versionsFolder);
    await mkdir(this.versionsFolder, { recursive: true });
    this.server.listen(config.port, config.host);
    await once(this.server, 'listening');
    const { port } = this.server.address() as AddressInfo;
    const host = config.host.includes(':') ? `[${config.host}]` : config.host;
    this.url = config.address ?? `${config.tls ? 'https' : 'http'}://${host}:${port}`;
    this.membership = this.createMembership();
    this.membership.start();
  }

  /** Leaves the routing table first, finishes what it has, then ends. */
  async close(): Promise<void> {
    this.isDraining = true;
    this.replicas.freeze();
    if (this.nodeId !== '') await this.leaveTraffic();
    const closed = once(this.server, 'close');
    this.server.close();
    this.endConnections();
    await this.replicas.whenIdle();
    await closed;
    this.tls?.close();
    this.replicas.close();
    const report = { draining: true, replicas: [] };
    await this.membership?.stop(
      this.nodeId === '' ? undefined : { report, nodeId: this.nodeId, timeoutMs: farewellMs },
    );
    await Promise.all([removeFolder(this.versionsFolder), this.spans?.close()]);
  }

  get inFlight(): number {
    return this.replicas.inFlight;
  }

  private get versionsFolder(): string {
    return join(this.config.dataFolder, 'versions');
  }

  /**
   * Tells the registry and goes on serving: when it has answered, the snapshot without this node is on its way wherever
   * others serve the same versions; when it has taken the assignments away, successors serve the rest. Bounded.
   */
  private async leaveTraffic(): Promise<void> {
    const { leaveGraceMs } = this.config;
    const emptied = new AbortController();
    this.onEmptied = () => emptied.abort();
    await this.membership?.reported(AbortSignal.timeout(leaveGraceMs));
    await pause(leaveGraceMs, emptied.signal);
    if (emptied.signal.aborted) await pause(Math.min(snapshotTravelMs, leaveGraceMs));
  }

  private createReplicas(): ReplicaSet {
    const { config, logger } = this;
    const openArtifact = artifactSource({
      baseUrl: config.registryUrl,
      token: () => this.membership?.token() ?? '',
    });
    const cache = new ArtifactCache({
      folder: join(config.dataFolder, 'cache'),
      maxBytes: config.cacheBytes,
      openArtifact,
      inUse: () => this.replicas.artifactsInUse,
    });
    return new ReplicaSet({
      cache,
      versionsFolder: this.versionsFolder,
      limits: {
        loadTimeoutMs: config.loadTimeoutMs,
        hardLimitMs: config.hardLimitMs,
        runnerMaxBytes: config.runnerMaxBytes,
      },
      kept: new KeptBytes(config.keptBytes),
      codec: config.codec,
      cores: config.cores,
      memoryBytes: config.memoryBytes,
      drainGraceMs: config.drainGraceMs,
      loadGate: new Gate(config.cores),
      logger,
      random: Math.random,
      nowMs: Date.now,
      onChange: () => this.membership?.changed(),
    });
  }

  private createAuth(): GatewayAuth {
    const open = createClient({ baseUrl: this.config.registryUrl });
    return new GatewayAuth({
      rules: () => this.rules,
      fetchJwks: () => open.auth.jwks({ signal: AbortSignal.timeout(keysMs) }),
      nowMs: Date.now,
    });
  }

  private createServer(): Server {
    return createFront({
      auth: this.auth,
      table: () => this.replicas.table,
      isReady: () => this.nodeId !== '' && !this.isDraining,
      isDraining: () => this.isDraining,
      limits: this.config,
      serverName: this.config.serverName,
      programVersion,
      logger: this.logger,
      tls: this.tls,
      spans: this.spans,
    });
  }

  private createMembership(): Membership {
    const { config, logger } = this;
    return new Membership({
      registryUrl: config.registryUrl,
      joinToken: config.joinToken,
      self: {
        name: config.name,
        address: this.url,
        labels: { ...config.labels },
        capacity: { cores: config.cores, memory_bytes: config.memoryBytes },
        program_version: programVersion,
      },
      report: () => ({ draining: this.isDraining, replicas: this.replicas.reports }),
      onRegistered: (lease) => {
        this.rules = rulesOf(lease);
        this.nodeId = lease.node_id;
        this.auth
          .prepare()
          .catch((error: unknown) => logger.warn({ reason: messageOf(error) }, 'no keys yet'));
        this.markRegistered();
      },
      onAssignments: (assignments) => {
        if (this.isDraining && assignments.length === 0) this.onEmptied?.();
        this.replicas.apply(assignments);
      },
      logger,
      random: Math.random,
    });
  }
}
