import { createDataSource } from '#database/data-source';
import { migrations } from '#migrations/index';
import { afterEach, describe, expect, inject, it } from 'vitest';
import {
  DatabaseStartError,
  connectionSettings,
  migrate,
  openDatabase,
  readSchemaState,
  schemaDifference,
} from '../../apps/registry/src/schema.js';
import { createDatabase } from '../support/postgres.js';

const names = migrations.map((migration) => migration.name);
const cleanups: (() => Promise<unknown>)[] = [];

async function emptyDatabase(): Promise<string> {
  const { url, drop } = await createDatabase(inject('postgresUrl'));
  cleanups.push(drop);
  return url;
}

async function connect(url: string) {
  const dataSource = await createDataSource(connectionSettings(url, 2)).initialize();
  cleanups.unshift(() => dataSource.destroy());
  return dataSource;
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

describe('migrations', () => {
  it('make the schema that the entities describe', async () => {
    const url = await emptyDatabase();
    await migrate(url);
    expect((await schemaDifference(await connect(url))).up).toEqual([]);
  });

  it('would be missed: an empty schema differs from the entities', async () => {
    const difference = await schemaDifference(await connect(await emptyDatabase()));
    expect(difference.up.length).toBeGreaterThan(20);
  });

  it('run once, in order', async () => {
    const url = await emptyDatabase();
    expect(await migrate(url)).toEqual(names);
    expect(await migrate(url)).toEqual([]);
    expect(await readSchemaState(await connect(url))).toEqual({ pending: [], unknown: [] });
  });

  it('run once when several programs migrate at the same time', async () => {
    const url = await emptyDatabase();
    const results = await Promise.all([migrate(url), migrate(url), migrate(url)]);
    expect(results.flat().toSorted()).toEqual(names.toSorted());
  });

  it('can be undone', async () => {
    const url = await emptyDatabase();
    await migrate(url);
    const dataSource = await connect(url);
    for (const _ of names) await dataSource.undoLastMigration();
    const tables = await dataSource.query<{ name: string }[]>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`,
    );
    expect(tables).toEqual([{ name: 'schema_migrations' }]);
  });
});

describe('a registry', () => {
  it('refuses a schema that is older than itself', async () => {
    const url = await emptyDatabase();
    await expect(openDatabase(url, 2)).rejects.toThrow(DatabaseStartError);
    await expect(openDatabase(url, 2)).rejects.toThrow(names[0] ?? '');
  });

  it('refuses a schema that is newer than itself, and does not migrate it either', async () => {
    const url = await emptyDatabase();
    await migrate(url);
    const dataSource = await connect(url);
    await dataSource.query(
      `INSERT INTO schema_migrations (timestamp, name) VALUES (9999999999999, 'FromTheFuture9999999999999')`,
    );
    await expect(openDatabase(url, 2)).rejects.toThrow(/newer Sluice.*FromTheFuture/);
    await expect(migrate(url)).rejects.toThrow(/newer Sluice.*FromTheFuture/);
  });

  it('opens a schema that it knows', async () => {
    const url = await emptyDatabase();
    await migrate(url);
    const dataSource = await openDatabase(url, 2);
    expect(dataSource.isInitialized).toBe(true);
    await dataSource.destroy();
  });

  it('says in one line that there is no database', async () => {
    const failure = await openDatabase('postgres://nobody@127.0.0.1:1/none', 2).catch(String);
    expect(failure).toMatch(/Cannot open the database 127\.0\.0\.1:1\/none: .*ECONNREFUSED/);
  });
});
