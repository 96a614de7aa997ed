import { createLogger } from '#platform/logger';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { JobQueue } from '../../apps/registry/src/jobs/job-queue.js';
import { migrateJobQueue } from '../../apps/registry/src/jobs/job-backend.js';
import { coalescesRequests } from '../support/job-cases.js';
import { joinNode } from '../support/nodes.js';
import type { TestNode } from '../support/nodes.js';
import { createDatabase } from '../support/postgres.js';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';
import { seedVersion } from '../support/seeds.js';
import { startWorker } from '../support/worker.js';

/** Makes the database refuse everyone and cuts all connections, as a restart of PostgreSQL does. */
async function takeAway(databaseUrl: string): Promise<() => Promise<void>> {
  const name = new URL(databaseUrl).pathname.slice(1);
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
  await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
  return async () => {
    await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    await client.end();
  };
}

const isAssigned = async (node: TestNode, versionId: string): Promise<boolean> =>
  (await node.assignments()).assignments.some((one) => one.version_id === versionId);

describe('the job queue', () => {
  let registry: TestRegistry;
  let jobs: JobQueue;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  beforeEach(() => {
    jobs = new JobQueue(registry.config, createLogger('jobs', 'silent'));
  });
  afterEach(() => jobs.onModuleDestroy());
  afterAll(() => registry.close());

  it('runs a burst of requests once or twice, and never misses one that comes while it runs', () =>
    coalescesRequests(jobs, { databaseUrl: registry.databaseUrl, redisUrl: undefined }, async () => {
      const [row] = await registry.dataSource.query<{ count: string }[]>(
        'SELECT count(*) FROM sluice_jobs.job',
      );
      return row?.count === '0';
    }));

  it('does not fail or hold up a request when the queue is away', async () => {
    const database = await createDatabase(inject('postgresUrl'));
    const queue = new JobQueue(
      { ...registry.config, DATABASE_URL: database.url },
      createLogger('jobs', 'silent'),
    );
    const started = Date.now();
    await queue.lookAgain('placement');
    expect(Date.now() - started).toBeLessThan(3_000);
    await queue.onModuleDestroy();
    await database.drop();
  });

  it('is migrated by several registries at once, and again', async () => {
    const database = await createDatabase(inject('postgresUrl'));
    await Promise.all(Array.from({ length: 4 }, () => migrateJobQueue(database.url)));
    await migrateJobQueue(database.url);
    await database.drop();
  });
});

describe('the worker', () => {
  let registry: TestRegistry;
  beforeEach(async () => {
    registry = await startRegistry();
  });
  afterEach(() => registry.close());

  it('looks again by itself, also after the database was away', async () => {
    const node = await joinNode(registry, 'a');
    const worker = await startWorker(registry.config);
    try {
      const first = await seedVersion(registry.dataSource, 'iris');
      await vi.waitUntil(() => isAssigned(node, first.id), { timeout: 10_000, interval: 100 });
      const bringBack = await takeAway(registry.databaseUrl);
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      await bringBack();
      const second = await vi.waitUntil(
        () => seedVersion(registry.dataSource, 'wine').catch(() => undefined),
        {
          timeout: 10_000,
          interval: 200,
        },
      );
      await vi.waitUntil(() => isAssigned(node, second.id), { timeout: 20_000, interval: 200 });
    } finally {
      await worker.close();
    }
  });

  it('may run twice: each replica is wanted once', async () => {
    const nodes = [
      await joinNode(registry, 'a'),
      await joinNode(registry, 'b'),
      await joinNode(registry, 'c'),
    ];
    const workers = await Promise.all([startWorker(registry.config), startWorker(registry.config)]);
    try {
      const versions = await Promise.all(
        ['m', 'n', 'o', 'p'].map((name) => seedVersion(registry.dataSource, name)),
      );
      await registry.app.get(JobQueue).lookAgain('placement');
      for (const version of versions)
        await vi.waitUntil(
          async () => (await Promise.all(nodes.map((node) => isAssigned(node, version.id)))).some(Boolean),
          { timeout: 10_000, interval: 100 },
        );
      const rows = await registry.dataSource.query<unknown[]>('SELECT 1 FROM replicas WHERE wanted');
      expect(rows).toHaveLength(versions.length);
    } finally {
      await Promise.all(workers.map((worker) => worker.close()));
    }
  });
});
