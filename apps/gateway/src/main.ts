/** The program `gateway`. It listens at once, and is ready when it has a snapshot; told to end, it finishes what is in flight. */
import cluster from 'node:cluster';
import { loadEnv } from '#platform/env';
import { createLogger } from '#platform/logger';
import type { Logger } from '#platform/logger';
import { announceReady, onShutdown, tellParent } from '#platform/shutdown';
import { startProgram } from '#platform/start';
import { GatewaySettings } from './config.js';
import { startGateway } from './gateway.js';
import { startAdminFront } from './workers/admin-front.js';
import { Fleet } from './workers/fleet.js';

/** Workers have the time-out themselves; the process above them outlasts it. */
const outlastMs = 1_000;

async function start(): Promise<void> {
  const settings = loadEnv(GatewaySettings);
  const logger = createLogger('gateway', settings.SLUICE_LOG_LEVEL);
  if (settings.SLUICE_GATEWAY_WORKERS > 1 && cluster.isPrimary) await startFleet(settings, logger);
  else await startAlone(settings, logger);
}

/** One gateway in this process: the only one, or a worker. */
async function startAlone(settings: GatewaySettings, logger: Logger): Promise<void> {
  const gateway = await startGateway(settings, logger);
  onShutdown({
    close: () => gateway.close(),
    timeoutMs: settings.SLUICE_GATEWAY_DRAIN_TIMEOUT_MS,
    logger,
  });
  if (cluster.isWorker) tellParent({ type: 'listening', admin_url: gateway.adminUrl });
  await gateway.ready;
  logger.info({ url: gateway.url, admin_url: gateway.adminUrl }, 'gateway is ready');
  announceReady(gateway.url);
}

async function startFleet(settings: GatewaySettings, logger: Logger): Promise<void> {
  const fleet = new Fleet(settings, logger);
  const admin = await startAdminFront(fleet, settings, logger);
  onShutdown({
    async close() {
      await fleet.close();
      admin.close();
    },
    timeoutMs: settings.SLUICE_GATEWAY_DRAIN_TIMEOUT_MS + outlastMs,
    logger,
  });
  fleet.start();
  const url = await fleet.ready;
  logger.info({ url, admin_url: admin.url, workers: settings.SLUICE_GATEWAY_WORKERS }, 'gateway is ready');
  announceReady(url);
}

await startProgram('gateway', start);
