/**
 * The program `registry worker`: runs the jobs. It serves no one; told to end, it lets the job that runs finish.
 * Several may run: jobs take their locks in the database.
 */
import { createLogger } from '#platform/logger';
import { announceReady, onShutdown } from '#platform/shutdown';
import { startProgram } from '#platform/start';
import { NestFactory } from '@nestjs/core';
import { loadConfig } from './config.js';
import { NestLogger } from './http/nest-logger.js';
import { openDatabase } from './schema.js';
import { WorkerModule } from './worker.module.js';

const shutdownTimeoutMs = 8_000;
/** One for each job that runs, two to spare. */
const maxConnections = 6;

async function start(): Promise<void> {
  const config = loadConfig();
  const logger = createLogger('registry-worker', config.SLUICE_LOG_LEVEL);
  const dataSource = await openDatabase(config.DATABASE_URL, maxConnections);
  const app = await NestFactory.createApplicationContext(WorkerModule.with({ config, logger, dataSource }), {
    abortOnError: false,
    logger: new NestLogger(logger),
  });
  onShutdown({ timeoutMs: shutdownTimeoutMs, logger, close: () => app.close() });
  logger.info('registry worker is ready');
  announceReady('');
}

await startProgram('registry worker', start);
