/** The peer: rate-limiter-flexible on a Redis of its own, which asks the store at every request. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { freePort } from '../../support/free-port.js';

export interface PeerFigures {
  readonly oneKeyPerSecond: number;
  readonly manyKeysPerSecond: number;
  /** One at a time. */
  readonly sortedMs: readonly number[];
}

const keys = 10_000;
const concurrency = 64;

async function perSecond(
  limiter: RateLimiterRedis,
  forMs: number,
  keyOf: (nth: number) => string,
): Promise<number> {
  const endMs = performance.now() + forMs;
  let done = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() < endMs) {
        await limiter.consume(keyOf(done));
        done += 1;
      }
    }),
  );
  return (done * 1_000) / forMs;
}

/** Undefined on a machine without redis-server. */
export async function redisPeer(forMs: number): Promise<PeerFigures | undefined> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-redis-'));
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const server = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'ignore'] });
  const failed = once(server, 'error').then(() => false);
  if (!(await Promise.race([failed, once(server, 'spawn').then(() => true)]))) return undefined;
  for await (const line of createInterface({ input: server.stdout }))
    if (line.includes('Ready to accept connections')) break;
  server.stdout.resume();
  const client = new Redis(port, '127.0.0.1');
  try {
    const limiter = new RateLimiterRedis({ storeClient: client, points: 2_000_000_000, duration: 86_400 });
    await limiter.consume('warm');
    const sortedMs: number[] = [];
    for (let n = 0; n < 1_000; n += 1) {
      const startMs = performance.now();
      await limiter.consume(`cold-${n}`);
      sortedMs.push(performance.now() - startMs);
    }
    return {
      sortedMs: sortedMs.sort((a, b) => a - b),
      oneKeyPerSecond: await perSecond(limiter, forMs, () => 'hot'),
      manyKeysPerSecond: await perSecond(limiter, forMs, (nth) => `key-${nth % keys}`),
    };
  } finally {
    client.disconnect();
    const exited = once(server, 'exit');
    server.kill();
    await exited;
    rmSync(folder, { recursive: true, force: true });
  }
}
