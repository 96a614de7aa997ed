/** The program `gateway`. It listens at once, and is ready when it has a snapshot; told to end, it finishes what is in flight. */
import { ConfigError, loadEnv } from '#platform/env';
import { messageOf } from '#platform/errors';
import { createLogger } from '#platform/logger';
import { announceReady, onShutdown } from '#platform/shutdown';
import { GatewaySettings } from './config.js';
import { startGateway } from './gateway.js';

async function start(): Promise<void> {
  const settings = loadEnv(GatewaySettings);
  const logger = createLogger('gateway', settings.SLUICE_LOG_LEVEL);
  const gateway = await startGateway(settings, logger);
  onShutdown({
    close: () => gateway.close(),
    timeoutMs: settings.SLUICE_GATEWAY_DRAIN_TIMEOUT_MS,
    logger,
  });
  await gateway.ready;
  logger.info({ url: gateway.url, admin_url: gateway.adminUrl }, 'gateway is ready');
  announceReady(gateway.url);
}

/** Of a foreseen error the message is enough, in one line; any other shows where it came from. */
function explain(error: unknown): string {
  const isListening = error instanceof Error && Reflect.get(error, 'syscall') === 'listen';
  return isListening || error instanceof ConfigError || !(error instanceof Error)
    ? messageOf(error)
    : (error.stack ?? error.message);
}

try {
  await start();
} catch (error) {
  process.stderr.write(`sluice gateway: ${explain(error)}\n`);
  process.exit(1);
}
