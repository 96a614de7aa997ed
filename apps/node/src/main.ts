/** The program `node`. It listens at once and is ready when the registry has taken it in; told to end, it leaves traffic first. */
import { ConfigError } from '#platform/env';
import { messageOf } from '#platform/errors';
import { createLogger } from '#platform/logger';
import { announceReady, onShutdown } from '#platform/shutdown';
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
  process.stderr.write(`sluice node: ${explain(error)}\n`);
  process.exit(1);
}
