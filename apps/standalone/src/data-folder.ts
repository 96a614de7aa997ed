/**
 * The data folder: made when missing, checked, and held by one running Sluice at a time.
 * The lock is a file with the holder's process number and start time, so that a killed holder never blocks the next start.
 */
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { identify, isSameProcess } from './process-identity.js';
import { messageOf } from '#platform/errors';
import { StartError } from '#platform/start';
import { codeOf } from './error-code.js';

export interface DataFolder {
  readonly path: string;
  /** The last Sluice in this folder was killed; parts of it may need a moment more to go. */
  readonly abandoned: boolean;
}

const Lock = z.object({ pid: z.int(), started: z.string().nullable() });

/** Writes a file of mode 0600 whole or not at all. */
export function writePrivateJson(path: string, value: unknown): void {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(temporary, path);
}

/** The parsed content of a JSON file, or undefined when there is no such file. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new StartError(`${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
}

const notWritable = 'is not writable by this user';
const notFolder = 'is not a folder';
const faults: Readonly<Record<string, string>> = {
  EACCES: notWritable,
  EPERM: notWritable,
  EROFS: notWritable,
  EEXIST: notFolder,
  ENOTDIR: notFolder,
};

function folderError(path: string, error: unknown): StartError {
  const fault = faults[codeOf(error) ?? ''] ?? `cannot be used: ${messageOf(error)}`;
  const hint = 'Choose another with SLUICE_DATA_DIR or --data-dir.';
  return new StartError(`The data folder ${path} ${fault}. ${hint}`, { cause: error });
}

function holderOf(lockPath: string): z.infer<typeof Lock> | undefined {
  const text = readFileSync(lockPath, 'utf8');
  try {
    return Lock.parse(JSON.parse(text));
  } catch {
    return undefined; // torn by a crash while it was written: nobody holds it
  }
}

/** Whether an abandoned lock was found on the way. */
function takeLock(lockPath: string, folder: string): boolean {
  const mine = JSON.stringify(identify(process.pid));
  for (let abandoned = false; ; abandoned = true) {
    try {
      writeFileSync(lockPath, mine, { flag: 'wx', mode: 0o644 });
      return abandoned;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const holder = holderOf(lockPath);
    if (holder !== undefined && isSameProcess(holder)) {
      throw new StartError(
        `The data folder ${folder} is in use by another Sluice (process ${holder.pid}). Stop that one first.`,
      );
    }
    rmSync(lockPath, { force: true });
  }
}

/** Makes the folder when it is missing and takes it until this process ends. */
export function openDataFolder(wanted: string): DataFolder {
  const asked = resolve(wanted);
  try {
    mkdirSync(asked, { recursive: true });
    const path = realpathSync(asked); // one spelling, so that a leftover database is known by its folder
    const lockPath = join(path, 'sluice.lock');
    const abandoned = takeLock(lockPath, path);
    process.once('exit', () => rmSync(lockPath, { force: true }));
    mkdirSync(join(path, 'logs'), { recursive: true });
    return { path, abandoned };
  } catch (error) {
    throw error instanceof StartError ? error : folderError(asked, error);
  }
}
