/**
 * Writes the migration from the schema that `migrations/` makes to the one that the entities describe. Works in a
 * database of its own on the server of DATABASE_URL, and drops it. Usage: `npm run migration:generate -- <name>`.
 */
import { loadEnv } from '#platform/env';
import { packageRoot } from '#platform/program';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { DatabaseSettings } from './config.js';
import { connectionSettings, migrate, schemaDifference } from './schema.js';
import { createDataSource } from '#database/data-source';

const name = process.argv[2];
if (name === undefined || !/^[a-z][a-z0-9-]*$/.test(name)) {
  process.stderr.write('Name the migration in lower-case words: npm run migration:generate -- add-teams\n');
  process.exit(1);
}

const url = new URL(loadEnv(DatabaseSettings).DATABASE_URL);
const scratch = `sluice_migration_${process.pid}`;
const server = await new DataSource({ type: 'postgres', url: url.href }).initialize();
try {
  await server.query(`CREATE DATABASE ${scratch}`);
  const difference = await readDifference(new URL(`/${scratch}${url.search}`, url).href);
  if (difference.up.length === 0) process.stdout.write('The entities and the migrations agree.\n');
  else write(name, difference);
} finally {
  await server.query(`DROP DATABASE IF EXISTS ${scratch}`);
  await server.destroy();
}

async function readDifference(scratchUrl: string): Promise<{ up: string[]; down: string[] }> {
  await migrate(scratchUrl);
  const dataSource = await createDataSource(connectionSettings(scratchUrl, 2)).initialize();
  try {
    return await schemaDifference(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

function write(label: string, { up, down }: { up: string[]; down: string[] }): void {
  const stamp = Date.now();
  const words = label.split('-').map((word) => word.slice(0, 1).toUpperCase() + word.slice(1));
  const className = `${words.join('')}${stamp}`;
  const file = `${stamp}-${label}.ts`;
  const statements = (queries: readonly string[]): string =>
    queries
      .map(
        (query) => `    await queryRunner.query(\`${query.replaceAll(/[`\\]|\$\{/g, String.raw`\$&`)}\`);\n`,
      )
      .join('');
  // Types only: TypeORM's own generator imports them as values, which do not exist at run time.
  const text = `import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ${className} implements MigrationInterface {
  name = '${className}';

  async up(queryRunner: QueryRunner): Promise<void> {
${statements(up)}  }

  async down(queryRunner: QueryRunner): Promise<void> {
${statements(down)}  }
}
`;
  writeFileSync(join(packageRoot, 'migrations', file), text);
  process.stdout.write(
    `Wrote migrations/${file}. Add ${className} to migrations/index.ts, then run npm run format.\n`,
  );
}
