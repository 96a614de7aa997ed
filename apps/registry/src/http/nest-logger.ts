import type { Logger } from '#platform/logger';
import type { LoggerService } from '@nestjs/common';

/** Nest's own messages in our log. Its start-up chatter is worth no more than debug. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log = (message: unknown, ...rest: unknown[]): void => this.logger.debug({ nest: rest }, String(message));
  debug = this.log;
  verbose = this.log;
  warn = (message: unknown, ...rest: unknown[]): void => this.logger.warn({ nest: rest }, String(message));
  error = (message: unknown, ...rest: unknown[]): void => this.logger.error({ nest: rest }, String(message));
  fatal = this.error;
}
