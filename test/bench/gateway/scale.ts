/** A large snapshot: 10,000 endpoints with 20 replicas each. What routing one request, swapping the table and holding it cost. */
import { createLogger } from '#platform/logger';
import { resolve } from '#routing/resolve';
import { Snapshot } from '#contracts/snapshot';
import { v7 as uuidv7 } from 'uuid';
import { Core } from '../../../apps/gateway/src/data-plane/core.js';
import { pick } from '../../../apps/gateway/src/data-plane/pick.js';
import { seededRandom } from '../poisson.js';
import { table } from '../report.js';

const endpointCount = 10_000;
const replicasEach = 20;
const nodeCount = 200;
const lookups = 500_000;

function largeSnapshot(revision: number, nodes: readonly { node_id: string; address: string }[]): unknown {
  const names = Array.from({ length: endpointCount }, (_, index) => `model-${index}`);
  return {
    revision,
    issuer: 'sluice',
    audience: 'sluice',
    jwks: { keys: [] },
    disabled_clients: [],
    models: names.map((name, index) => ({
      name,
      aliases: { champion: 1 },
      versions: [1, 2].map((version) => ({
        version,
        default_timeout_ms: 10_000,
        replicas: Array.from(
          { length: replicasEach / 2 },
          (_, nth) => nodes[(index * 7 + version * 31 + nth) % nodeCount],
        ),
      })),
    })),
    endpoints: names.map((name) => ({
      name,
      model: name,
      traffic: {
        rules: [],
        split: [
          { version: 1, weight: 90 },
          { version: 2, weight: 10 },
        ],
        sticky: { by: 'header', name: 'x-user-id' },
      },
    })),
    quotas: [],
  };
}

const took = (work: () => void): number => {
  const startMs = performance.now();
  work();
  return performance.now() - startMs;
};

/** Mean µs of resolving a request and picking a replica, over random endpoints. */
function routingUs(core: Core): number {
  const random = seededRandom(1);
  const endpoints = [...(core.table?.endpoints.values() ?? [])];
  const requests = Array.from({ length: 1_000 }, (_, user) => ({
    pin: undefined,
    headers: { 'x-user-id': `user-${user}` },
    claims: {},
  }));
  const wish = { maxOutstanding: 512 };
  const run = (): void => {
    for (let i = 0; i < lookups; i += 1) {
      const endpoint = endpoints[Math.floor(random() * endpoints.length)];
      const request = requests[i % requests.length];
      const { target } =
        endpoint && request ? resolve(endpoint.routes, request, random) : { target: undefined };
      if (!target || !pick(target.replicas, i, random, wish)) throw new Error('nothing was picked');
    }
  };
  run();
  return (took(run) * 1_000) / lookups;
}

const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MiB`;
const verdict = (isMet: boolean): string => (isMet ? 'met' : 'missed');

/** Markdown of this part. */
export async function scalePart(): Promise<string> {
  const core = new Core(
    {
      registryUrl: 'http://127.0.0.1:1',
      holdBytes: 1,
      maxBodyBytes: 1,
      maxTimeoutMs: 1,
      maxCachedTokens: 1,
      bodyTimeoutMs: 60_000,
      corsOrigins: new Set(),
      maxConnectionsPerNode: 1,
      maxWaiting: 256,
      maxWaitMs: 1_000,
      adaptiveLimit: false,
      connectTimeoutMs: 1,
      nodeTls: {},
    },
    createLogger('bench', 'silent'),
  );
  const nodes = Array.from({ length: nodeCount }, (_, index) => ({
    node_id: uuidv7(),
    address: `http://10.0.${index >> 8}.${index & 255}:8090`,
  }));
  const texts = [1, 2].map((revision) => JSON.stringify(largeSnapshot(revision, nodes)));
  const heapBefore = process.memoryUsage().heapUsed;
  let parseMs = 0;
  let swapMs = 0;
  for (const text of texts) {
    let snapshot: Snapshot | undefined;
    parseMs = took(() => (snapshot = Snapshot.parse(JSON.parse(text))));
    swapMs = took(() => snapshot && core.apply(snapshot));
  }
  const us = routingUs(core);
  const heap = process.memoryUsage().heapUsed - heapBefore;
  await core.upstreams.destroy();
  return [
    `### A snapshot of ${endpointCount} endpoints with ${replicasEach} replicas each`,
    table(
      ['what', 'measured', 'target'],
      [
        ['resolve and pick', `${us.toFixed(2)} µs`, `< 2 µs: ${verdict(us < 2)}`],
        ['reading the snapshot (JSON, checked)', `${parseMs.toFixed(0)} ms`, ''],
        ['swapping the table', `${swapMs.toFixed(0)} ms`, `< 10 ms: ${verdict(swapMs < 10)}`],
        ['heap of table and snapshot', mebibytes(heap), ''],
        ['its JSON', mebibytes(texts[0]?.length ?? 0), ''],
      ],
    ),
  ].join('\n\n');
}
