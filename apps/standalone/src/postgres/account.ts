/**
 * As whom PostgreSQL runs. It refuses to be root, so a root Sluice starts it as another user that exists already; none is ever made.
 * Where that user cannot reach the files (a clone below a private /root), setpriv(1) hands the one capability that lets it.
 */
import { spawnSync, type SpawnOptions } from 'node:child_process';
import { userInfo } from 'node:os';
import { StartError } from '#platform/start';

export type Account =
  | { readonly kind: 'self' }
  | { readonly kind: 'other'; readonly uid: number; readonly gid: number }
  | { readonly kind: 'other-with-access'; readonly uid: number; readonly gid: number };

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const rootId = 0;
const nobody: Owner = { uid: 65_534, gid: 65_534 };

/** The user that PostgreSQL gets when Sluice is root: whoever owns its folder, else the data folder, else nobody. */
export function ownerForRoot(
  postgresFolder: Owner | undefined,
  dataFolder: Owner,
  hasName: (uid: number) => boolean,
): Owner {
  const owner = [postgresFolder, dataFolder].find((each) => each !== undefined && each.uid !== rootId);
  return owner !== undefined && hasName(owner.uid) ? owner : nobody;
}

/** The command line and spawn options that run a program as another user. */
interface Command {
  readonly file: string;
  readonly args: string[];
  readonly options: SpawnOptions;
}

/**
 * PostgreSQL asks access(2), which forgets the capabilities of a process that is not root unless no_setuid_fixup is set.
 * dac_override is in the default set of containers, too; dac_read_search, which would do in most cases, is not.
 */
const setprivAccess = [
  '--clear-groups',
  '--securebits=+no_setuid_fixup',
  '--inh-caps=+dac_override',
  '--ambient-caps=+dac_override',
];

/** How `file` is run as `account`. */
export function runAs(account: Account, file: string, args: readonly string[]): Command {
  if (account.kind === 'self') return { file, args: [...args], options: {} };
  const { uid, gid } = account;
  if (account.kind === 'other') return { file, args: [...args], options: { uid, gid } };
  const user = [`--reuid=${uid}`, `--regid=${gid}`, ...setprivAccess];
  return { file: 'setpriv', args: [...user, '--', file, ...args], options: {} };
}

/** The first of `folders` that the account cannot enter or `executable` if it cannot run it; undefined when all is well. */
function firstUnreachable(
  account: Account,
  executable: string,
  folders: readonly string[],
): string | undefined {
  const script = 'for path in "$@"; do test -x "$path" || { echo "$path"; exit 1; }; done; echo';
  const command = runAs(account, '/bin/sh', ['-c', script, 'sh', executable, ...folders]);
  const result = spawnSync(command.file, command.args, { ...command.options, cwd: '/', encoding: 'utf8' });
  if (result.status === 0) return undefined;
  return result.stdout?.trim() || executable;
}

/** `id` answers for a number only if the user database knows it, which initdb needs. */
const hasName = (uid: number): boolean =>
  spawnSync('id', ['-nu', String(uid)], { stdio: 'ignore' }).status === 0;

/** initdb looks its own user up; the server does not. */
export function requireOwnName(): void {
  try {
    userInfo();
  } catch (error) {
    throw new StartError(
      `PostgreSQL needs a user with a name, and user id ${process.getuid?.()} has none in /etc/passwd. ` +
        'Start Sluice as a named user, or set DATABASE_URL to a PostgreSQL of your own.',
      { cause: error },
    );
  }
}

/** Decides as whom PostgreSQL runs and makes sure that this user reaches the binaries and the data folder. */
export function chooseAccount(options: {
  executable: string;
  dataFolder: string;
  dataOwner: Owner;
  postgresOwner: Owner | undefined;
}): Account {
  const { executable, dataFolder, dataOwner, postgresOwner } = options;
  if (process.getuid?.() !== rootId) return { kind: 'self' };
  const owner = ownerForRoot(postgresOwner, dataOwner, hasName);
  const plain: Account = { kind: 'other', ...owner };
  const unreachable = firstUnreachable(plain, executable, [dataFolder]);
  if (unreachable === undefined) return plain;
  const empowered: Account = { kind: 'other-with-access', ...owner };
  if (firstUnreachable(empowered, executable, [dataFolder]) === undefined) return empowered;
  throw new StartError(
    `PostgreSQL does not run as root, and user id ${owner.uid} cannot reach ${unreachable}. Start Sluice as a normal user, ` +
      'move it to a folder that every user may enter, install setpriv (package util-linux), or set DATABASE_URL.',
  );
}
