/** Name and version of this build, read from package.json at the package root. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

function findPackageRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('package.json is missing above the program');
  return findPackageRoot(parent);
}

/** The folder that holds package.json, from the sources as well as from dist/. */
export const packageRoot: string = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

export const programVersion: string = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))).version;

/**
 * How V8 is started for a gateway. What one request allocates lives as long as its node takes to answer: a young generation of V8's
 * default size is collected so often that much of it is copied each time (`npm run bench:gateway` measures with these flags). While a large
 * snapshot is taken in, it is collected in small steps, which needs `--expose-gc`.
 */
export const gatewayNodeFlags: readonly string[] = ['--max-semi-space-size=64', '--expose-gc'];

/**
 * How V8 is started for an inference node. The young generation as for a gateway; and bodies lie outside of V8's heap, whose
 * collector marks in small steps at nearly every allocation when much does: one short collection costs a fraction of that.
 */
export const inferenceNodeFlags: readonly string[] = ['--max-semi-space-size=32', '--no-incremental-marking'];
