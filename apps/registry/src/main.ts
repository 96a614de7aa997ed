/**
 * The program `registry`: the API. It starts only with right settings and on a schema it knows; told to end, it answers
 * "not ready", takes no new connection, finishes what is in flight and closes the database last.
 */
import { ConfigError } from '#platform/env';
import { messageOf } from '#platform/errors';
import { createLogger } from '#platform/logger';
import { announceReady, onShutdown } from '#platform/shutdown';
import { createApp } from './app.js';
import { loadConfig } from './config.js';
import { Readiness } from './health/readiness.js';
import { DatabaseStartError, openDatabase } from './schema.js';

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

/** Of a foreseen error the message is enough, in one line; any other shows where it came from. */
function explain(error: unknown): string {
  const isListening = error instanceof Error && Reflect.get(error, 'syscall') === 'listen';
  const isForeseen = error instanceof ConfigError || error instanceof DatabaseStartError || isListening;
  return isForeseen || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message);
}

try {
  await start();
} catch (error) {
  process.stderr.write(`sluice registry: ${explain(error)}\n`);
  process.exit(1);
}
