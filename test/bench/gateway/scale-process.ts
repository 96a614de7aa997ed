/**
 * A gateway's process with a large snapshot: 10,000 endpoints with 20 replicas each. Sends its parent what routing one request, taking
 * in a snapshot and holding it cost.
 */
import { readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { createLogger } from '#platform/logger';
import { runInSlices } from '#platform/time-slices';
import { resolve } from '#routing/resolve';
import { v7 as uuidv7 } from 'uuid';
import { Core } from '../../../apps/gateway/src/data-plane/core.js';
import { pick } from '../../../apps/gateway/src/data-plane/pick.js';
import { seededRandom } from '../poisson.js';
import { SnapshotReader } from '../../../apps/gateway/src/control/snapshot-reader.js';
import { endpointCount, replicasEach } from './scale.js';
import type { ScaleResult, Taking } from './scale.js';

const nodeCount = 200;
const lookups = 500_000;

/** @param changedShare of the models, whose timeout differs with the revision */
function largeSnapshot(
  revision: number,
  changedShare: number,
  nodes: readonly { node_id: string; address: string }[],
): unknown {
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
        default_timeout_ms: index < changedShare * endpointCount ? 10_000 + revision : 10_000,
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

/** CPU time of this process: wall time would count whoever else runs on the machine. */
function cpuUs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** Mean CPU µs of resolving a request and picking a replica, over random endpoints. */
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
  return cpuUs(run) / lookups;
}

/** For which this thread could have run and had no core; 0 where the kernel does not tell. */
function waitedMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}

/** Wall time without that in which the machine had no core for this thread, which says nothing of the swap. */
const runnableMs = (): number => performance.now() - waitedMs();

/** Takes in one snapshot as the gateway does, and watches how long nobody else gets a turn. */
async function take(core: Core, reader: SnapshotReader, text: string): Promise<Taking> {
  let longestMs = 0;
  let lastMs = runnableMs();
  let isOver = false;
  const watch = (): void => {
    const nowMs = runnableMs();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
    if (!isOver) setImmediate(watch);
  };
  // What the benchmark itself has left lying about is none of the swap's.
  globalThis.gc?.();
  setImmediate(watch);
  await turn();
  longestMs = 0;
  const startMs = performance.now();
  await runInSlices(core.applying(await runInSlices(reader.read(text))));
  const tookMs = performance.now() - startMs;
  await turn();
  isOver = true;
  return { tookMs, longestMs };
}

async function run(): Promise<ScaleResult> {
  const core = new Core(
    {
      registryUrl: 'http://127.0.0.1:1',
      serverName: 'sluice',
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
      nodeTls: () => ({}),
      maxShadows: 1,
      maxShadowBytes: 1,
    },
    createLogger('bench', 'silent'),
  );
  const nodes = Array.from({ length: nodeCount }, (_, index) => ({
    node_id: uuidv7(),
    address: `http://10.0.${index >> 8}.${index & 255}:8090`,
  }));
  const reader = new SnapshotReader();
  const heapBefore = heapUsed();
  const texts = [0, 0.01, 1].map((share, index) => JSON.stringify(largeSnapshot(index + 1, share, nodes)));
  const takings: Taking[] = [];
  for (const text of texts) takings.push(await take(core, reader, text));
  texts.splice(0);
  const resolveAndPickUs = routingUs(core);
  const [first = none, few = none, all = none] = takings;
  const result = {
    resolveAndPickUs,
    first,
    few,
    all,
    heapBytes: heapUsed() - heapBefore,
    rssBytes: process.memoryUsage().rss,
    jsonBytes: JSON.stringify(largeSnapshot(1, 0, nodes)).length,
  };
  await core.upstreams.destroy();
  return result;
}

const none: Taking = { tookMs: Number.NaN, longestMs: Number.NaN };

/** After a full collection. */
function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

process.send?.(await run());
process.disconnect();
