/**
 * The program `registry`: the API. It starts only with right settings and on a schema it knows; told to end, it answers
 * "not ready", takes no new connection, finishes what is in flight and closes the database last.
 */
import { createLogger } from '#platform/logger';
import { announceReady, onShutdown } from '#platform/shutdown';
import { startProgram } from '#platform/start';
import { createApp } from './app.js';
import { loadConfig } from './config.js';
import { Readiness } from './health/readiness.js';
import { openDatabase } from './schema.js';

const shutdownTimeoutMs = 8_000;

async function start(): Promise<void> {
  const config = loadConfig();
  const logger = createLogger('registry', config.SLUICE_LOG_LEVEL);
  const dataSource = await openDatabase(config.DATABASE_URL, config.SLUICE_DATABASE_CONNECTIONS);
  const app = await createApp({ config, logger, dataSource });
  onShutdown({
    timeoutMs: shutdownTimeoutMs,
    logger,
    close: async () => {
      app.get(Readiness).drain();
      await app.close();
    },
  });
  await app.listen({ host: config.SLUICE_REGISTRY_HOST, port: config.SLUICE_REGISTRY_PORT });
  const url = await app.getUrl();
  logger.info({ url }, 'registry is ready');
  announceReady(url);
}

await startProgram('registry', start);
