/** The job queue on a real Redis. Needs `redis-server` on the path, so it is no part of `npm test`. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '#platform/logger';
import { JobQueue } from '../../apps/registry/src/jobs/job-queue.js';
import { loadConfig } from '../../apps/registry/src/config.js';
import { coalescesRequests } from '../support/job-cases.js';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('the job queue on Redis', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-redis-'));
  let redis: ChildProcess;
  let jobs: JobQueue;
  let redisUrl = '';
  const databaseUrl = 'postgres://nobody:nothing@127.0.0.1:1/unused';

  beforeAll(async () => {
    const port = await freePort();
    redisUrl = `redis://127.0.0.1:${port}`;
    const settings = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--maxmemory-policy',
      'noeviction',
    ];
    redis = spawn('redis-server', [...settings, '--dir', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(redis, 'spawn');
    if (!redis.stdout) throw new Error('redis-server has no output');
    for await (const line of createInterface({ input: redis.stdout }))
      if (line.includes('Ready to accept connections')) break;
    redis.stdout.resume();
    const config = loadConfig({
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      SLUICE_NODE_JOIN_TOKEN: 'x'.repeat(16),
      SLUICE_GATEWAY_JOIN_TOKEN: 'y'.repeat(16),
    });
    jobs = new JobQueue(config, createLogger('jobs', 'silent'));
  });
  afterAll(async () => {
    await jobs.onModuleDestroy();
    redis.kill('SIGTERM');
    await once(redis, 'exit');
    rmSync(folder, { recursive: true, force: true });
  });

  it('runs a burst of requests once or twice, and never misses one that comes while it runs', async () => {
    const queue = new Queue('sluice', { connection: { url: redisUrl }, prefix: 'sluice_jobs' });
    await coalescesRequests(jobs, { databaseUrl, redisUrl }, async () => {
      const counts = await queue.getJobCounts();
      return Object.values(counts).every((count) => count === 0);
    });
    await queue.close();
  });

  it('does not fail a request when Redis is away', async () => {
    redis.kill('SIGSTOP');
    await expect(Promise.race([jobs.lookAgain('placement').then(() => 'answered'), once(redis, 'exit')]))
      .resolves.toBe('answered')
      .finally(() => redis.kill('SIGCONT'));
  });
});
