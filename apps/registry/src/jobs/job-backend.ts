/**
 * Where jobs wait: BullMQ on PostgreSQL (its own schema of the same database), or on Redis when REDIS_URL is set.
 * The only file that knows BullMQ's constructors. Jobs carry no data: they only say "look again".
 */
import {
  createPostgresBackend,
  Queue as RedisQueue,
  runMigrations,
  withBackend,
  Worker as RedisWorker,
} from 'bullmq';
import type { Job, WorkerOptions } from 'bullmq';
import { Client } from 'pg';

export const jobNames = [
  'placement',
  'webhooks',
  'uploads',
  'events',
  'retention',
  'garbage',
  'usage_export',
] as const;
export type JobName = (typeof jobNames)[number];

export interface JobBackendSettings {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
}

/** What the rest of the registry needs of BullMQ's Queue. */
export interface JobSink {
  add(name: JobName, data: object, options: ReturnType<typeof onceAtATime>): Promise<unknown>;
  upsertJobScheduler(
    id: JobName,
    repeat: { every: number },
    template: { name: JobName; opts: typeof keepFew },
  ): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}

/** What the rest of the registry needs of BullMQ's Worker. */
export interface JobRunner {
  waitUntilReady(): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'failed', listener: (job: Job | undefined, error: Error) => void): unknown;
  close(): Promise<void>;
}

const maxConcurrentJobs = 4;
const queueName = 'sluice';
const schema = 'sluice_jobs';
const postgres = withBackend(createPostgresBackend);

/** Finished jobs say nothing that the log does not. */
const keepFew = { removeOnComplete: true, removeOnFail: { count: 20 } };

/** At most one job waits beside the one that runs; a request that comes while it runs makes it run once more. */
export const onceAtATime = (job: JobName) => ({
  ...keepFew,
  deduplication: { id: job, keepLastIfActive: true },
});

/** Template of jobs that a scheduler makes. */
export const scheduled = keepFew;

const postgresConnection = ({ databaseUrl }: JobBackendSettings, role: string) => ({
  connectionString: databaseUrl,
  schema,
  max: 2,
  application_name: `sluice jobs ${role}`,
  connectionTimeoutMillis: 5_000,
  keepAlive: true,
});

/** The side that asks for jobs: it fails at once while the store is away, because a request waits for it. */
export function openQueue(settings: JobBackendSettings): JobSink {
  if (settings.redisUrl === undefined)
    return new postgres.Queue(queueName, { connection: postgresConnection(settings, 'queue') });
  const connection = { url: settings.redisUrl, enableOfflineQueue: false, maxRetriesPerRequest: 1 };
  return new RedisQueue(queueName, { connection, prefix: schema });
}

/** The side that runs them. Kinds run beside each other, so that a slow one does not hold up the others. */
export function openRunner(settings: JobBackendSettings, run: (job: Job) => Promise<void>): JobRunner {
  const options = {
    concurrency: maxConcurrentJobs,
    drainDelay: 5,
    runRetryDelay: 1_000,
  } satisfies Partial<WorkerOptions>;
  if (settings.redisUrl === undefined)
    return new postgres.Worker(queueName, run, {
      ...options,
      connection: postgresConnection(settings, 'worker'),
    });
  const connection = { url: settings.redisUrl, maxRetriesPerRequest: null };
  return new RedisWorker(queueName, run, { ...options, connection, prefix: schema });
}

/** Brings BullMQ's tables up to date. A worker on an unmigrated schema never gets a job, so this runs with our own migrations. */
export async function migrateJobQueue(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl, application_name: 'sluice jobs migrate' });
  await client.connect();
  try {
    await runMigrations(client, schema);
  } finally {
    await client.end();
  }
}
