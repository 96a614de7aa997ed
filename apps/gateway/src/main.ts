/** The program `gateway`. It listens at once, and is ready when it has a snapshot; told to end, it finishes what is in flight. */
import { loadEnv } from '#platform/env';
import { createLogger } from '#platform/logger';
import { announceReady, onShutdown } from '#platform/shutdown';
import { startProgram } from '#platform/start';
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

await startProgram('gateway', start);
