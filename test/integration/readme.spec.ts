/** README's tables are complete: a setting or dependency that nobody explains is one that nobody can use. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { CreateQuota, QuotaUnit, QuotaWindow } from '#contracts/quotas';
import type { RouteSpec } from '#contracts/route';
import { routes } from '#contracts/routes';
import { scopes } from '#contracts/scopes';
import { usageUnits } from '#contracts/usage';
import { packageRoot } from '#platform/program';
import { CliSettings } from '../../apps/cli/src/settings.js';
import { commands } from '../../apps/cli/src/commands.js';
import { GatewaySettings } from '../../apps/gateway/src/config.js';
import { NodeSettings } from '../../apps/node/src/config.js';
import { RegistrySettings } from '../../apps/registry/src/config.js';
import { StandaloneSettings } from '../../apps/standalone/src/config.js';

const text = (file: string): string => readFileSync(join(packageRoot, file), 'utf8');
const readme = text('README.md');

/** The first cells of the rows below a heading, up to the next one. */
function firstCells(heading: string): string {
  const section = readme.split(new RegExp(`^## ${heading}$`, 'm'))[1]?.split(/^## /m)[0] ?? '';
  return [...section.matchAll(/^\| ([^|]+) \|/gm)].map(([, cell]) => cell).join(' ');
}

it('explains every setting, and none that does not exist', () => {
  const explained = new Set(firstCells('Configuration').match(/[A-Z]+_[A-Z0-9_]+/g));
  const schemas = [RegistrySettings, GatewaySettings, NodeSettings, StandaloneSettings, CliSettings];
  const settings = schemas.flatMap((schema) => Object.keys(schema.shape));
  expect([...explained].sort()).toEqual([...new Set(settings)].sort());
});

const references = {
  'docs/identity.md': [
    'auth',
    'clients',
    'teams',
    'people',
    'sessions',
    'signInProviders',
    'apiTokens',
    'signingKeys',
    'issuers',
    'audit',
  ],
  'docs/quotas.md': ['quotas', 'usage'],
} as const;

it.each(Object.entries(references))('is completed by a reference of every call: %s', (file, groups) => {
  const reference = text(file);
  expect(readme).toContain(`(${file})`);
  const calls = groups.flatMap((group) =>
    Object.values<RouteSpec>(routes[group])
      .filter(({ access }) => access !== 'gateway')
      .map(({ method, path }) => `${method} ${path}`),
  );
  expect(calls.filter((call) => !reference.includes(call))).toEqual([]);
});

it('is completed by a reference of every scope and every field of a quota', () => {
  const unnamed = (file: string, words: readonly string[]) =>
    words.filter((word) => !text(file).includes(`\`${word}\``));
  expect(unnamed('docs/identity.md', scopes)).toEqual([]);
  const fields = Object.keys(CreateQuota.shape);
  const windows = QuotaWindow.options;
  expect(unnamed('docs/quotas.md', [...fields, ...windows, ...QuotaUnit.options, ...usageUnits])).toEqual([]);
});

it('names every command', () => {
  const section = readme.split(/^## Command line$/m)[1]?.split(/^## /m)[0] ?? '';
  const unnamed = commands.filter(({ noun, verb }) => !section.includes(`sluice ${noun} ${verb}`));
  expect(unnamed.map(({ noun, verb }) => `${noun} ${verb}`)).toEqual([]);
});

it('says what each dependency is for', () => {
  const { dependencies } = z
    .object({ dependencies: z.record(z.string(), z.string()) })
    .parse(JSON.parse(text('package.json')));
  // In a row that begins with a scope, the names behind the first one are of that scope.
  const explained = firstCells('Dependencies').replaceAll(
    /@(nestjs|opentelemetry)\/([a-z-]+(?:, (?!@)[a-z-]+)*)/g,
    (_, scope: string, names: string) =>
      `${names
        .split(', ')
        .map((name) => `@${scope}/${name}`)
        .join(' ')} ${names}`,
  );
  const names = new Set(explained.split(/[ ,|]+/));
  expect(Object.keys(dependencies).filter((name) => !names.has(name))).toEqual([]);
});

it('names each tool of development, beside types', () => {
  const { devDependencies } = z
    .object({ devDependencies: z.record(z.string(), z.string()) })
    .parse(JSON.parse(text('package.json')));
  const section = readme.split(/^## Dependencies$/m)[1]?.split(/^## /m)[0] ?? '';
  const tools = Object.keys(devDependencies).filter((name) => !name.startsWith('@types/'));
  expect(tools.filter((name) => !section.includes(name))).toEqual([]);
});

it('goes from MLflow to production in exactly five lines', () => {
  const section = readme.split('## From MLflow to production in five lines')[1]?.split(/^## /m)[0] ?? '';
  const block = /^```python\n([^]*?)^```$/m.exec(section)?.[1] ?? '';
  expect(block.trimEnd().split('\n')).toHaveLength(5);
});
