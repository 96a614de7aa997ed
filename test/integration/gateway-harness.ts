/**
 * What the gateway's tests stand on: a registry and nodes as plain servers that speak the contracts on real sockets, and raw TCP
 * for what no decent client would send.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { CryptoKey } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { Traffic } from '#contracts/endpoints';
import { Snapshot } from '#contracts/snapshot';
import type { SnapshotModel, SnapshotQuota } from '#contracts/snapshot';
import { LeaseCall } from '#contracts/quotas';
import { createLogger } from '#platform/logger';
import { MemoryLedger } from '#quota/memory-ledger.case';
import type { z } from 'zod';
import { GatewaySettings } from '../../apps/gateway/src/config.js';
import { startGateway } from '../../apps/gateway/src/gateway.js';
import type { Gateway } from '../../apps/gateway/src/gateway.js';

export const joinToken = 'a-join-token-for-tests';
const issuer = 'sluice-test';
const audience = 'sluice';

/** Cleanups of the test, run last first by {@link cleanUp}. */
const cleanups: (() => Promise<unknown>)[] = [];

/** Adds a step to the end of the test. */
export function onCleanUp(step: () => Promise<unknown>): void {
  cleanups.push(step);
}

export async function cleanUp(): Promise<void> {
  for (const step of cleanups.splice(0).reverse()) await step();
}

export const portOf = (server: Server | TcpServer): number => (server.address() as AddressInfo).port;

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

export async function bodyOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export interface Keys {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: Snapshot['jwks']['keys'][number];
}

export async function makeKeys(kid: string): Promise<Keys> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(publicKey);
  return {
    kid,
    privateKey,
    jwk: { kid, kty: 'EC', alg: 'ES256', use: 'sig', crv: 'P-256', x: jwk.x ?? '', y: jwk.y ?? '' },
  };
}

export interface TokenWishes {
  readonly client?: string;
  readonly scope?: string;
  readonly claims?: Record<string, unknown>;
  readonly expiresInS?: number;
  readonly audience?: string;
}

export function makeToken(keys: Keys, wishes: TokenWishes = {}): Promise<string> {
  const client = wishes.client ?? 'tester';
  const nowS = Math.floor(Date.now() / 1_000);
  return new SignJWT({ scope: wishes.scope ?? 'infer', client_id: client, jti: uuidv7(), ...wishes.claims })
    .setProtectedHeader({ alg: 'ES256', kid: keys.kid })
    .setIssuer(issuer)
    .setAudience(wishes.audience ?? audience)
    .setSubject(`client:${client}`)
    .setIssuedAt(nowS)
    .setExpirationTime(nowS + (wishes.expiresInS ?? 900))
    .sign(keys.privateKey);
}

/** A registry that speaks the gateway's part of the contracts. All else goes to `other`. */
export class TestRegistry {
  readonly streams = new Set<ServerResponse>();
  other: RequestListener = (_req, res) => res.writeHead(404).end();
  registrations = 0;
  /** Lease calls are left unanswered while this is false. */
  hasLedger = true;
  readonly ledger = new MemoryLedger((id) => {
    const quota = this.current?.quotas.find((row) => row.id === id);
    return quota && { ...quota, refillPerSecond: quota.refill_per_second, timeZone: 'UTC', alertAt: [] };
  }, Date.now);
  url = '';
  private current: Snapshot | undefined;
  private constructor(
    readonly server: Server,
    readonly keys: Keys,
  ) {}

  static async start(): Promise<TestRegistry> {
    const registry: TestRegistry = new TestRegistry(
      createServer((req, res) => registry.handle(req, res)),
      await makeKeys('k1'),
    );
    registry.server.listen(0, '127.0.0.1');
    await once(registry.server, 'listening');
    registry.url = `http://127.0.0.1:${portOf(registry.server)}`;
    cleanups.push(() => registry.stop());
    return registry;
  }

  stop(): Promise<void> {
    return closeServer(this.server);
  }

  /** Sends a snapshot to every gateway that follows. */
  publish(snapshot: Snapshot): void {
    this.current = snapshot;
    for (const stream of this.streams) sendSnapshot(stream, snapshot);
  }

  private handle(req: IncomingMessage, res: ServerResponse): void {
    const bearer = req.headers.authorization;
    if (req.url === '/api/v1/gateways/register') {
      this.registrations += 1;
      const isRight = bearer === `Bearer ${joinToken}`;
      const credential = { gateway_id: uuidv7(), credential: 'gateway-credential', expires_in: 3_600 };
      res.writeHead(isRight ? 200 : 401, { 'content-type': 'application/json' });
      res.end(JSON.stringify(credential));
    } else if (req.url === '/api/v1/snapshot/stream' && bearer === 'Bearer gateway-credential') {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write(': hello\n\n');
      this.streams.add(res);
      res.on('close', () => this.streams.delete(res));
      if (this.current) sendSnapshot(res, this.current);
    } else if (req.url === '/api/v1/quota-leases' && this.hasLedger) void this.lease(req, res);
    else this.other(req, res);
  }

  private async lease(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const call = LeaseCall.parse(JSON.parse((await bodyOf(req)).toString()));
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify(this.ledger.call(call) ?? {}));
  }
}

function sendSnapshot(stream: ServerResponse, snapshot: Snapshot): void {
  stream.write(`event: snapshot\nid: ${snapshot.revision}\ndata: ${JSON.stringify(snapshot)}\n\n`);
}

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** A node: remembers what it was sent and answers with its name, unless `respond` does something else. */
export class TestNode {
  readonly id = uuidv7();
  readonly seen: SeenRequest[] = [];
  respond: ((req: IncomingMessage, res: ServerResponse, body: Buffer) => void) | undefined;
  /** Takes requests before their body is read. */
  intercept: ((req: IncomingMessage, res: ServerResponse) => void) | undefined;
  private constructor(
    readonly name: string,
    readonly server: Server,
  ) {}

  static async start(name: string, port = 0): Promise<TestNode> {
    const node: TestNode = new TestNode(
      name,
      createServer((req, res) => void node.handle(req, res)),
    );
    node.server.listen(port, '127.0.0.1');
    await once(node.server, 'listening');
    cleanups.push(() => node.stop());
    return node;
  }

  get replica(): { readonly node_id: string; readonly address: string } {
    return { node_id: this.id, address: `http://127.0.0.1:${portOf(this.server)}` };
  }

  stop(): Promise<void> {
    return closeServer(this.server);
  }

  private async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (this.intercept) return this.intercept(req, res);
    const body = await bodyOf(req).catch(() => undefined);
    if (!body) return;
    this.seen.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body });
    if (this.respond) return this.respond(req, res, body);
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ node: this.name, path: req.url }));
  }
}

/** A node on raw TCP: `onRequest` gets the socket each time that a request head has arrived. */
export async function startRawNode(
  onRequest: (socket: Socket, head: string, requestOfSocket: number) => void,
): Promise<{ readonly node_id: string; readonly address: string }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    let requests = 0;
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      if (chunk.includes('HTTP/1.1\r\n')) onRequest(socket, chunk.toString('latin1'), ++requests);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return { node_id: uuidv7(), address: `http://127.0.0.1:${portOf(server)}` };
}

type ReplicaRow = SnapshotModel['versions'][number]['replicas'][number];
export interface SnapshotWishes {
  readonly keys: Keys;
  readonly revision?: number;
  /** Replicas by version of the model `iris`. */
  readonly versions: Readonly<Record<number, readonly ReplicaRow[]>>;
  readonly timeoutMs?: number;
  /** The fewest bytes that a row takes; without it a request is one row. */
  readonly rowBytes?: number;
  readonly aliases?: Record<string, number>;
  readonly traffic?: z.input<typeof Traffic>;
  readonly quotas?: readonly Partial<SnapshotQuota>[];
  readonly disabledClients?: readonly string[];
}

/** A snapshot with one model and one endpoint, both named `iris`. */
export function makeSnapshot(wishes: SnapshotWishes): Snapshot {
  const versions = Object.entries(wishes.versions);
  const first = Number(versions[0]?.[0] ?? 1);
  return Snapshot.parse({
    revision: wishes.revision ?? 1,
    issuer,
    audience,
    jwks: { keys: [wishes.keys.jwk] },
    disabled_clients: wishes.disabledClients ?? [],
    models: [
      {
        name: 'iris',
        aliases: wishes.aliases ?? {},
        versions: versions.map(([version, replicas]) => ({
          version: Number(version),
          default_timeout_ms: wishes.timeoutMs ?? 5_000,
          row_bytes: wishes.rowBytes ?? null,
          replicas,
        })),
      },
    ],
    endpoints: [
      {
        name: 'iris',
        model: 'iris',
        traffic: Traffic.parse(wishes.traffic ?? { split: [{ version: first, weight: 1 }] }),
      },
    ],
    quotas: (wishes.quotas ?? []).map((quota) => ({
      id: uuidv7(),
      name: 'permin',
      client_id: null,
      endpoint: null,
      window: 'minute',
      limit: 1,
      per_client: true,
      ...quota,
    })),
  });
}

export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-gateway-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function startTestGateway(
  registryUrl: string,
  settings: Partial<z.input<typeof GatewaySettings>> = {},
): Promise<Gateway> {
  const gateway = await startGateway(
    GatewaySettings.parse({
      SLUICE_REGISTRY_URL: registryUrl,
      SLUICE_GATEWAY_JOIN_TOKEN: joinToken,
      SLUICE_GATEWAY_NAME: 'gateway-test',
      SLUICE_GATEWAY_PORT: 0,
      SLUICE_GATEWAY_ADMIN_PORT: 0,
      SLUICE_GATEWAY_DATA_DIR: await makeFolder(),
      SLUICE_GATEWAY_ACCESS_LOG_SHARE: 0,
      SLUICE_GATEWAY_LEAVE_GRACE_MS: 0,
      SLUICE_GATEWAY_FAST_LANE: process.env['TEST_FAST_LANE'] === 'false' ? 'false' : 'true',
      SLUICE_LOG_LEVEL: 'silent',
      ...settings,
    }),
    createLogger('gateway', settings.SLUICE_LOG_LEVEL ?? 'silent'),
  );
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= gateway.close());
  cleanups.push(close);
  return { ...gateway, close };
}

/** Resolves when `condition` holds; the only polling in these tests, for what nobody announces. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Publishes and waits until the gateway serves from it. */
export async function publish(registry: TestRegistry, gateway: Gateway, snapshot: Snapshot): Promise<void> {
  registry.publish(snapshot);
  await until(() => gateway.core.table?.snapshot.revision === snapshot.revision, 'snapshot applied');
}

/** Opens a TCP connection to an address like `http://127.0.0.1:8080`. */
export async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  cleanups.push(async () => void socket.destroy());
  return socket;
}

/** Sends bytes and gives all that comes back until the other side closes. */
export async function exchangeRaw(url: string, bytes: string): Promise<string> {
  const socket = await openSocket(url);
  const answer = new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('close', () => resolve(text));
  });
  socket.write(bytes);
  return answer;
}
