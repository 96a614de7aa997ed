/** The programs that are measured, each one process before the same upstream: the gateway with all its stages on, and its peers. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SignJWT, exportJWK, exportSPKI, generateKeyPair } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { gatewayNodeFlags, packageRoot } from '#platform/program';
import { TestRegistry, joinToken, makeSnapshot } from '../../integration/gateway-harness.js';
import type { Target } from '../load.js';
import type { Contender } from './contender.js';
import { startNativePeers } from './native-peers.js';

const here = dirname(fileURLToPath(import.meta.url));

async function startPeer(name: string, file: string, args: readonly string[]): Promise<Contender> {
  const child = fork(join(here, file), args, { stdio: 'inherit' });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { name, pid: child.pid ?? Number.NaN, port, stop: () => disconnect(child) };
}

async function disconnect(child: ChildProcess): Promise<void> {
  if (!child.connected) return;
  const exited = once(child, 'exit');
  child.disconnect();
  await exited;
}

export const bodyBytes = 1_024;
const issuer = 'sluice-test';

/** One RS256 token and what is needed to verify it. */
async function makeCredentials() {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const { n = '', e = '' } = await exportJWK(publicKey);
  const claims = { scope: 'infer', client_id: 'bench', team: 'default', jti: uuidv7() };
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: 'bench' })
    .setIssuer(issuer)
    .setAudience('sluice')
    .setSubject('client:bench')
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(privateKey);
  const jwk = { kid: 'bench', kty: 'RSA', alg: 'RS256', use: 'sig', n, e } as const;
  return { token, keys: { kid: 'bench', privateKey, jwk }, publicKeyPem: await exportSPKI(publicKey) };
}

const perWindow = 1_000_000_000;

/** Two versions, a sticky canary and two quotas: what the gateway checks at each request. */
function snapshotFor(
  keys: Awaited<ReturnType<typeof makeCredentials>>['keys'],
  [first, second]: readonly [number, number],
) {
  const replica = (port: number) => [{ node_id: uuidv7(), address: `http://127.0.0.1:${port}` }];
  return makeSnapshot({
    keys,
    versions: { 1: replica(first), 2: replica(second) },
    traffic: {
      split: [
        { version: 1, weight: 90 },
        { version: 2, weight: 10 },
      ],
      sticky: { by: 'header', name: 'x-user-id' },
    },
    quotas: [
      { name: 'minute', window: 'minute', limit: perWindow },
      { name: 'day', window: 'day', limit: perWindow, per_client: false },
    ],
  });
}

interface GatewayOptions {
  readonly execArgv?: readonly string[];
  /** More settings, by their names in the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Stage {
  readonly gateway: Contender;
  readonly direct: Contender;
  readonly peers: readonly Contender[];
  /** Programs of the comparison that this machine does not have. */
  readonly missing: readonly string[];
  /** The same request for all of them. */
  readonly request: Omit<Target, 'port'>;
  /** Another gateway with the same work, for a profile or a soak. */
  startGateway(name: string, options?: GatewayOptions): Promise<Contender>;
  stop(): Promise<void>;
}

/** @param folder for whatever files the programs need */
export async function openStage(folder: string): Promise<Stage> {
  const upstream = fork(join(here, 'upstream.js'), { stdio: 'inherit' });
  const [{ ports }] = (await once(upstream, 'message')) as [{ ports: [number, number] }];
  const { token, keys, publicKeyPem } = await makeCredentials();
  const registry = await TestRegistry.start();
  registry.publish(snapshotFor(keys, ports));
  const startGateway = async (
    name: string,
    { execArgv = [], env = {} }: GatewayOptions = {},
  ): Promise<Contender> => {
    const child = fork(join(packageRoot, 'dist/apps/gateway/src/main.js'), {
      execArgv: [...gatewayNodeFlags, ...execArgv],
      env: {
        PATH: process.env['PATH'],
        SLUICE_REGISTRY_URL: registry.url,
        SLUICE_GATEWAY_JOIN_TOKEN: joinToken,
        SLUICE_GATEWAY_NAME: 'bench',
        SLUICE_GATEWAY_PORT: '0',
        SLUICE_GATEWAY_ADMIN_PORT: '0',
        SLUICE_GATEWAY_DATA_DIR: join(folder, name.replace(/\W+/g, '-')),
        SLUICE_GATEWAY_ACCESS_LOG: join(folder, 'access.log'),
        SLUICE_LOG_LEVEL: 'error',
        ...env,
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    const stop = async (): Promise<void> => {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    };
    return { name, pid: child.pid ?? Number.NaN, port: Number(new URL(url).port), stop };
  };
  const gateway = await startGateway('Sluice gateway');
  const upstreamPort = String(ports[0]);
  const { started, missing } = await startNativePeers({ folder, upstreamPorts: ports, issuer, publicKeyPem });
  const closed = { env: { SLUICE_GATEWAY_FAST_LANE: 'false' } };
  const peers = [
    await startGateway('Sluice gateway, fast lane closed', closed),
    await startPeer('bare undici forwarder', 'undici-server.js', [upstreamPort]),
    await startPeer('http-proxy 1.18.1', 'http-proxy-server.js', [upstreamPort]),
    ...started,
  ];
  const stopUpstream = (): Promise<void> => disconnect(upstream);
  return {
    gateway,
    direct: { name: 'upstream alone', pid: upstream.pid ?? Number.NaN, port: ports[0], stop: stopUpstream },
    peers,
    missing,
    request: {
      host: '127.0.0.1',
      path: '/v2/models/iris/infer',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'x-user-id': 'user-42',
      },
      body: JSON.stringify({ inputs: [] }).padEnd(bodyBytes),
    },
    startGateway,
    async stop() {
      await gateway.stop();
      for (const peer of peers) await peer.stop();
      await stopUpstream();
      await registry.stop();
    },
  };
}
