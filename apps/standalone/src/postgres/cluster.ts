/**
 * The folder of the embedded PostgreSQL: made by initdb under another name and renamed when whole, so that a crash never
 * leaves half of one. Checks owner and version before anything is started; never deletes a folder that holds data.
 */
import { execFile } from 'node:child_process';
import {
  chownSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '#platform/errors';
import { StartError } from '#platform/start';
import { codeOf } from '../error-code.js';
import { requireOwnName, runAs, type Account, type Owner } from './account.js';
import type { PostgresBinaries } from './binaries.js';

/** The database superuser, and the database that the registry uses. */
export const databaseUser = 'sluice';
export const databaseName = 'sluice';
/** The user database and messages must not depend on the machine's locale: readiness is read from a log line. */
export const postgresEnv = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/local/bin:/usr/bin:/bin' };

/** Who owns the folder, or undefined when there is none. */
export function ownerOf(folder: string): Owner | undefined {
  const found = statSync(folder, { throwIfNoEntry: false });
  return found && { uid: found.uid, gid: found.gid };
}

/** Whether the folder holds a cluster that these binaries can run; throws when it holds anything else. */
export function hasCluster(folder: string, major: string): boolean {
  try {
    const found = readFileSync(join(folder, 'PG_VERSION'), 'utf8').trim();
    if (found === major) return true;
    throw new StartError(
      `${folder} was written by PostgreSQL ${found}, and this Sluice brings PostgreSQL ${major}. ` +
        'Move the data with pg_dump and pg_restore, or choose another data folder with SLUICE_DATA_DIR.',
    );
  } catch (error) {
    if (error instanceof StartError) throw error;
    if (codeOf(error) !== 'ENOENT') {
      throw new StartError(
        `${folder} cannot be read by this user: ${messageOf(error)}. Start Sluice as the user who made the data folder.`,
      );
    }
  }
  const folderExists = ownerOf(folder) !== undefined;
  if (folderExists && readdirSync(folder).length > 0) {
    throw new StartError(
      `${folder} holds files that are not PostgreSQL's. Move them away, or choose another data folder.`,
    );
  }
  return false;
}

/** PostgreSQL runs only on a folder of its own user. */
export function takeOwnership(folder: string, account: Account): void {
  const owner = ownerOf(folder);
  const wanted = account.kind === 'self' ? process.getuid?.() : account.uid;
  if (owner === undefined || owner.uid === wanted) return;
  if (account.kind === 'self') {
    throw new StartError(
      `${folder} belongs to user id ${owner.uid}. Start Sluice as that user, or give the whole data folder to this one with chown -R.`,
    );
  }
  lchownSync(folder, account.uid, account.gid);
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(folder, entry), account.uid, account.gid);
  }
}

function makeFolderFor(account: Account, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  if (account.kind !== 'self') chownSync(folder, account.uid, account.gid);
}

function writePasswordFor(account: Account, path: string, password: string): void {
  rmSync(path, { force: true });
  writeFileSync(path, `${password}\n`, { mode: 0o600, flag: 'wx' });
  if (account.kind !== 'self') chownSync(path, account.uid, account.gid);
}

/** Makes a new cluster at `folder`; `signal` breaks it off. */
export async function createCluster(options: {
  binaries: PostgresBinaries;
  account: Account;
  folder: string;
  password: string;
  signal: AbortSignal;
}): Promise<void> {
  const { binaries, account, folder, password, signal } = options;
  if (account.kind === 'self') requireOwnName();
  const unfinished = `${folder}.new`;
  const passwordFile = `${folder}.password`;
  const settings = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', '--no-instructions'];
  const who = [`--username=${databaseUser}`, `--pwfile=${passwordFile}`, `--pgdata=${unfinished}`];
  const command = runAs(account, binaries.initdb, [...settings, ...who]);
  try {
    makeFolderFor(account, unfinished);
    writePasswordFor(account, passwordFile, password);
    await promisify(execFile)(command.file, command.args, {
      ...command.options,
      cwd: '/',
      env: postgresEnv,
      signal,
    });
    rmSync(folder, { recursive: true, force: true }); // empty, as hasCluster made sure
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    const reason = messageOf(error).split('\n').filter(Boolean).at(-1);
    throw new StartError(`The database could not be set up in ${folder}: ${reason}`, { cause: error });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}
