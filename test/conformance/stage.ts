/**
 * One node with real runners, reachable in two ways: directly, with a gateway's credential, and through a real gateway, with a
 * client's token. Whatever the protocols promise must hold for both.
 */
import { gunzipSync, inflateSync } from 'node:zlib';
import { Pool } from 'undici';
import { noTraffic } from '#contracts/endpoints';
import { Snapshot } from '#contracts/snapshot';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import {
  TestRegistry,
  cleanUp,
  makeToken,
  publish,
  startTestGateway,
} from '../integration/gateway-harness.js';
import { NodeUnderTest } from '../support/node.js';

export interface StagedModel {
  readonly model: string;
  readonly version?: number;
  readonly bytes: Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Not inflated. */
  readonly raw: Buffer;
  /** Inflated. */
  readonly bytes: Buffer;
  /** Of a JSON body, or of the JSON part of a binary one. */
  readonly json: unknown;
}

export type Body = string | Buffer | object;
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
}

/** One of the two ways. */
export interface Way {
  readonly name: 'node' | 'gateway';
  send(call: Call): Promise<Answer>;
}

export interface Stage {
  readonly node: NodeUnderTest;
  readonly gateway: Gateway;
  readonly ways: { readonly node: Way; readonly gateway: Way };
  close(): Promise<void>;
}

/** Some scripts for Triton insist on it. */
export const serverName = 'triton';

/** Runs models on as little as possible, so that many fit on a small machine. */
const config = { instances: 1, intra_op_threads: 1 };

export async function openStage(
  models: readonly StagedModel[],
  aliases: Readonly<Record<string, number>> = {},
  settings: Record<string, string> = {},
): Promise<Stage> {
  const node = await NodeUnderTest.start({ SLUICE_NODE_SERVER_NAME: serverName, ...settings });
  await Promise.all(
    models.map(({ model, version = 1, bytes }) =>
      node.load({
        model,
        version,
        files: { 'model.onnx': bytes },
        config,
        aliases: Object.keys(aliases).filter((alias) => aliases[alias] === version),
      }),
    ),
  );
  const registry = await TestRegistry.start();
  const gateway = await startTestGateway(registry.url, { SLUICE_GATEWAY_SERVER_NAME: serverName });
  registry.publish(snapshotOf(registry, node, models, aliases));
  await gateway.ready;
  await publish(registry, gateway, snapshotOf(registry, node, models, aliases));
  const credential = await node.registry.token('gateway');
  gateway.core.credential = credential;
  const [direct, through] = [
    openWay('node', node.url, credential),
    openWay('gateway', gateway.url, await makeToken(registry.keys)),
  ];
  return {
    node,
    gateway,
    ways: { node: direct, gateway: through },
    async close() {
      await Promise.all([direct.pool.close(), through.pool.close()]);
      await cleanUp();
      await node.close();
    },
  };
}

function snapshotOf(
  registry: TestRegistry,
  node: NodeUnderTest,
  staged: readonly StagedModel[],
  aliases: Readonly<Record<string, number>>,
): Snapshot {
  const names = [...new Set(staged.map(({ model }) => model))];
  const replicas = [{ node_id: '01890a5d-ac96-774b-bcce-b302099a8057', address: node.url }];
  const versionsOf = (name: string) =>
    staged.filter(({ model }) => model === name).map(({ version = 1 }) => version);
  return Snapshot.parse({
    revision: 1,
    issuer: 'sluice-test',
    audience: 'sluice',
    jwks: { keys: [registry.keys.jwk] },
    disabled_clients: [],
    models: names.map((name) => ({
      name,
      aliases: Object.fromEntries(
        Object.entries(aliases).filter(([, version]) => versionsOf(name).includes(version)),
      ),
      versions: versionsOf(name).map((version) => ({ version, default_timeout_ms: 10_000, replicas })),
    })),
    endpoints: names.map((name) => ({
      name,
      model: name,
      traffic: { ...noTraffic, split: [{ version: Math.max(...versionsOf(name)), weight: 1 }] },
    })),
    quotas: [],
  });
}

function openWay(name: Way['name'], url: string, token: string): Way & { readonly pool: Pool } {
  const pool = new Pool(url, { connections: 16 });
  return {
    name,
    pool,
    async send({ method, path, headers = {}, body }) {
      const answer = await pool.request({
        method,
        path,
        headers: { authorization: `Bearer ${token}`, ...headers },
        body:
          body === undefined || typeof body === 'string' || Buffer.isBuffer(body)
            ? (body ?? null)
            : JSON.stringify(body),
      });
      const raw = Buffer.from(await answer.body.arrayBuffer());
      const bytes = inflate(raw, answer.headers['content-encoding']);
      const jsonBytes = Number(answer.headers['inference-header-content-length'] ?? bytes.length);
      return {
        status: answer.statusCode,
        headers: answer.headers,
        raw,
        bytes,
        json: parseJson(bytes.subarray(0, jsonBytes).toString()),
      };
    },
  };
}

function inflate(raw: Buffer, encoding: string | string[] | undefined): Buffer {
  if (encoding === 'gzip') return gunzipSync(raw);
  return encoding === 'deflate' ? inflateSync(raw) : raw;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
