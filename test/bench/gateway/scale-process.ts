/**
 * A gateway's process with a large snapshot: 10,000 endpoints with 20 replicas each. Sends its parent what routing one request, taking
 * in a snapshot and holding it cost.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { readEvents } from '#client/event-stream';
import { snapshotEvent } from '#contracts/snapshot';
import { createLogger } from '#platform/logger';
import { resolve } from '#routing/resolve';
import { v7 as uuidv7 } from 'uuid';
import { Core } from '../../../apps/gateway/src/data-plane/core.js';
import { pick } from '../../../apps/gateway/src/data-plane/pick.js';
import { seededRandom } from '../poisson.js';
import { CheckedFile } from '../../../apps/gateway/src/control/checked-file.js';
import { SnapshotIntake } from '../../../apps/gateway/src/control/snapshot-intake.js';
import { endpointCount, replicasEach } from './scale.js';
import type { ScaleResult, Taking } from './scale.js';

const nodeCount = 200;
const lookups = 500_000;
/** What one read of a socket brings. */
const chunkBytes = 65_536;

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

interface Times {
  /** Wall time without that in which the machine had no core for this thread, which says nothing of the swap. */
  readonly runnableMs: number;
  /** That this thread has computed: without waiting for V8's helper threads, either. */
  readonly cpuMs: number;
}

/** Linux tells of each thread; elsewhere all of the wall time counts. */
function timesOfThread(): Times {
  const wallMs = performance.now();
  try {
    const [cpuNs, waitedNs] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ').map(Number);
    return { runnableMs: wallMs - (waitedNs ?? 0) / 1e6, cpuMs: (cpuNs ?? 0) / 1e6 };
  } catch {
    return { runnableMs: wallMs, cpuMs: wallMs };
  }
}

/** The stream of a registry with one snapshot in it, a socket's fill in each turn of the event loop. */
async function* streamOf(json: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(`event: ${snapshotEvent}\nid: 1\ndata: ${json}\n\n`);
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    yield bytes.subarray(at, at + chunkBytes);
    await turn();
  }
}

/** Takes in one snapshot as the gateway does, and watches how long nobody else gets a turn. */
async function take(intake: SnapshotIntake, json: string): Promise<Taking> {
  let [longestMs, longestCpuMs] = [0, 0];
  let last = timesOfThread();
  let isOver = false;
  const watch = (): void => {
    const now = timesOfThread();
    longestMs = Math.max(longestMs, now.runnableMs - last.runnableMs);
    longestCpuMs = Math.max(longestCpuMs, now.cpuMs - last.cpuMs);
    last = now;
    if (!isOver) setImmediate(watch);
  };
  const stream = streamOf(json);
  const head = await stream.next();
  // What the benchmark itself has left lying about is none of the swap's.
  globalThis.gc?.();
  setImmediate(watch);
  await turn();
  [longestMs, longestCpuMs] = [0, 0];
  const startMs = performance.now();
  for await (const event of readEvents(chained(head.value, stream))) if (event) await intake.take(event.data);
  const tookMs = performance.now() - startMs;
  await intake.idle();
  await turn();
  isOver = true;
  return { tookMs, longestMs, longestCpuMs };
}

async function* chained(first: Uint8Array | undefined, rest: AsyncIterable<Uint8Array>) {
  if (first) yield first;
  yield* rest;
}

async function run(folder: string): Promise<ScaleResult> {
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
      hasFastLane: true,
      maxConnectionsPerNode: 1,
      maxWaiting: 256,
      maxWaitMs: 1_000,
      adaptiveLimit: false,
      connectTimeoutMs: 1,
      nodeTls: () => ({}),
      maxShadows: 1,
      maxShadowBytes: 1,
      maxComparedBytes: 1,
    },
    createLogger('bench', 'silent'),
  );
  const nodes = Array.from({ length: nodeCount }, (_, index) => ({
    node_id: uuidv7(),
    address: `http://10.0.${index >> 8}.${index & 255}:8090`,
  }));
  const logger = createLogger('bench', 'silent');
  const intake = new SnapshotIntake(core, new CheckedFile(join(folder, 'snapshot.json'), logger), logger);
  const heapBefore = heapUsed();
  const texts = [0, 0.01, 1].map((share, index) => JSON.stringify(largeSnapshot(index + 1, share, nodes)));
  const takings: Taking[] = [];
  for (const text of texts) takings.push(await take(intake, text));
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

const none: Taking = { tookMs: Number.NaN, longestMs: Number.NaN, longestCpuMs: Number.NaN };

/** After a full collection. */
function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-scale-'));
process.send?.(await run(folder));
rmSync(folder, { recursive: true });
process.disconnect();
