/** A registry's worker in the test's own process, with the real queue. */
import { createLogger } from '#platform/logger';
import { NestFactory } from '@nestjs/core';
import type { RegistryConfig } from '../../apps/registry/src/config.js';
import { openDatabase } from '../../apps/registry/src/schema.js';
import { WorkerModule } from '../../apps/registry/src/worker.module.js';

export async function startWorker(config: RegistryConfig): Promise<{ close: () => Promise<void> }> {
  const dataSource = await openDatabase(config.DATABASE_URL, 2);
  const logger = createLogger('worker', 'silent');
  return NestFactory.createApplicationContext(WorkerModule.with({ config, logger, dataSource }), {
    abortOnError: false,
    logger: false,
  });
}
