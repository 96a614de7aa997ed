/** The program `registry migrate`: brings the database's schema up to date, and ends. */
import { loadEnv } from '#platform/env';
import { messageOf } from '#platform/errors';
import { createLogger } from '#platform/logger';
import { DatabaseSettings } from './config.js';
import { migrate } from './schema.js';

try {
  const settings = loadEnv(DatabaseSettings);
  const logger = createLogger('migrate', settings.SLUICE_LOG_LEVEL);
  const done = await migrate(settings.DATABASE_URL);
  logger.info({ migrations: done }, done.length > 0 ? 'schema migrated' : 'schema is up to date');
} catch (error) {
  process.stderr.write(`sluice migrate: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
