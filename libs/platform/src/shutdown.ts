/**
 * Orderly ends. A program hands over its closing step; SIGTERM, SIGINT or the loss of the parent that started it runs it once,
 * within a bound, and ends the process. Nothing else may call process.exit on the way down.
 */
import type { Logger } from './logger.js';

export interface ShutdownOptions {
  /** Finishes what is in flight and closes; called once. */
  readonly close: (reason: string) => Promise<void>;
  /** After this the process ends whether `close` has returned or not. */
  readonly timeoutMs: number;
  readonly logger: Logger;
}

/** Installs the handlers. With an IPC channel (a supervisor started us), its loss means that the supervisor died: close as well. */
export function onShutdown({ close, timeoutMs, logger }: ShutdownOptions): void {
  let closing = false;
  const shutdown = (reason: string): void => {
    if (closing) return;
    closing = true;
    logger.info({ reason }, 'closing');
    setTimeout(() => {
      logger.error({ timeoutMs }, 'closing took too long');
      process.exit(1);
    }, timeoutMs).unref();
    close(reason).then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'closing failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => shutdown('SIGTERM'));
  process.on('SIGINT', () => shutdown('SIGINT'));
  if (process.channel) {
    process.on('disconnect', () => shutdown('parent gone'));
    // The channel alone must not keep the process alive.
    process.channel.unref();
  }
}

/** Tells the supervisor, if there is one. */
export function tellParent(message: Readonly<Record<string, string>>): void {
  process.send?.(message);
}

/** Tells the supervisor, if there is one, that this program serves under `url`. */
export const announceReady = (url: string): void => tellParent({ type: 'ready', url });
