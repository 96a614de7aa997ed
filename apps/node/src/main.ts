/** The program `node`. It listens at once and is ready when the registry has taken it in; told to end, it leaves traffic first. */
import { createLogger } from '#platform/logger';
import { announceReady, onShutdown } from '#platform/shutdown';
import { startProgram } from '#platform/start';
import { loadConfig } from './config.js';
import { startNode } from './node.js';

const closeTimeoutMs = 30_000;

async function start(): Promise<void> {
  const config = loadConfig();
  const logger = createLogger('node', config.logLevel);
  const node = await startNode(config, logger);
  onShutdown({ close: () => node.close(), timeoutMs: closeTimeoutMs, logger });
  await node.registered;
  logger.info({ url: node.url, name: config.name }, 'node is ready');
  announceReady(node.url);
}

await startProgram('node', start);
