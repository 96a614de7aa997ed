/**
 * The database's schema and the migrations this program knows. Only `migrate` changes the schema; every other program
 * refuses to start on one that it does not know, be it older or newer.
 */
import { createDataSource, dataSourceOptions } from '#database/data-source';
import { migrations } from '#migrations/index';
import { messageOf } from '#platform/errors';
import { StartError } from '#platform/start';
import { DataSource } from 'typeorm';
import { migrateJobQueue } from './jobs/job-backend.js';

/** One line for a person: why the program cannot work with this database. */
export class DatabaseStartError extends StartError {
  override readonly name = 'DatabaseStartError';
}

export interface SchemaState {
  /** Known to this program, not applied yet. */
  readonly pending: readonly string[];
  /** Applied, but not known to this program: the database is of a newer Sluice. */
  readonly unknown: readonly string[];
}

/** Two registries that migrate at once wait for one another under this lock. */
const migrationLock = 7_201_002;

const applicationName = 'sluice-registry';

export const connectionSettings = (url: string, maxConnections: number) => ({
  url,
  maxConnections,
  applicationName,
  migrations: [...migrations],
});

/** Opens the database of a registry whose schema is the one that this program knows. @throws DatabaseStartError otherwise */
export async function openDatabase(url: string, maxConnections: number): Promise<DataSource> {
  const dataSource = createDataSource(connectionSettings(url, maxConnections));
  await connect(dataSource, url);
  try {
    requireKnown(await readSchemaState(dataSource));
    return dataSource;
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
}

async function connect(dataSource: DataSource, url: string): Promise<void> {
  try {
    await dataSource.initialize();
  } catch (cause) {
    const { host, pathname } = new URL(url);
    throw new DatabaseStartError(`Cannot open the database ${host}${pathname}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

export async function readSchemaState(dataSource: DataSource): Promise<SchemaState> {
  const known = dataSource.migrations.map((migration) => migration.name ?? migration.constructor.name);
  const table = await dataSource.query<{ found: string | null }[]>(
    `SELECT to_regclass('schema_migrations') AS found`,
  );
  const rows =
    table[0]?.found == null
      ? []
      : await dataSource.query<{ name: string }[]>('SELECT name FROM schema_migrations ORDER BY id');
  const applied = new Set(rows.map((row) => row.name));
  return {
    pending: known.filter((name) => !applied.has(name)),
    unknown: [...applied].filter((name) => !known.includes(name)),
  };
}

function requireKnown({ pending, unknown }: SchemaState): void {
  if (unknown.length > 0) throw new DatabaseStartError(newerSchema(unknown));
  if (pending.length > 0)
    throw new DatabaseStartError(
      `The database lacks the migrations ${pending.join(', ')}. Run the registry's migrate program first.`,
    );
}

const newerSchema = (unknown: readonly string[]): string =>
  `The database was migrated by a newer Sluice (${unknown.join(', ')}). Start that version, or restore an older database.`;

/** Brings the schema up to date and returns the names of the migrations it ran. Safe to run twice, or at once. */
export async function migrate(url: string): Promise<string[]> {
  // A migration may take as long as it needs, and so may the wait for another program's.
  const unlimited = { statement_timeout: 0, idle_in_transaction_session_timeout: 0 };
  const dataSource = new DataSource({ ...dataSourceOptions(connectionSettings(url, 2)), extra: unlimited });
  await connect(dataSource, url);
  try {
    await using lock = dataSource.createQueryRunner();
    await lock.query('SELECT pg_advisory_lock($1)', [migrationLock]);
    const { unknown } = await readSchemaState(dataSource);
    if (unknown.length > 0) throw new DatabaseStartError(newerSchema(unknown));
    const done = await dataSource.runMigrations({ transaction: 'each' });
    await migrateJobQueue(url);
    await lock.query('SELECT pg_advisory_unlock($1)', [migrationLock]);
    return done.map((migration) => migration.name);
  } finally {
    // Ends the sessions, and with them the lock.
    await dataSource.destroy();
  }
}

/** The statements that would turn the schema of `dataSource` into the one of the entities, and back. Runs none of them. */
export async function schemaDifference(dataSource: DataSource): Promise<{ up: string[]; down: string[] }> {
  const { upQueries, downQueries } = await dataSource.driver.createSchemaBuilder().log();
  return {
    up: upQueries.map(({ query }) => query),
    // The last change is undone first.
    down: downQueries.map(({ query }) => query).toReversed(),
  };
}
