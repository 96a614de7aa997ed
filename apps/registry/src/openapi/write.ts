/** Writes openapi.json at the package root; with `--check` only compares, and fails when the committed file is stale. */
import { packageRoot, programVersion } from '#platform/program';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiText } from './document.js';

const file = join(packageRoot, 'openapi.json');
const text = openApiText(programVersion);

if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (readFileSync(file, 'utf8') !== text) {
  process.stderr.write('openapi.json is stale: run `npm run openapi` and commit it.\n');
  process.exitCode = 1;
}
