/** From the command line to a command and its exit code. Knows no process: what it needs of one is passed in. */
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';
import { createClient } from '#client/client';
import { messageOf } from '#platform/errors';
import { programVersion } from '#platform/program';
import { commands } from './commands.js';
import { login, logout } from './commands/login.js';
import type { Command } from './command.js';
import { UsageError, exitCodeOf, exitCodes } from './exit-code.js';
import type { ExitCode } from './exit-code.js';
import { commandHelp, loginHelp, mainHelp } from './help.js';
import { failureText } from './output.js';
import type { Io } from './output.js';
import { connectionOf } from './settings.js';
import type { CliSettings } from './settings.js';
import { watch } from './watch.js';

const flag = { type: 'boolean', default: false } as const;
const text = { type: 'string' } as const;
const everywhere = { url: text, json: flag, help: { ...flag, short: 'h' } } as const;
const watching = { watch: flag, timeout: text } as const;

function parse<O extends NonNullable<ParseArgsConfig['options']>>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(messageOf(error), { cause: error });
  }
}

/** Runs one command line. Never throws: what goes wrong is on stderr, and in the code. */
export async function run(
  argv: readonly string[],
  settings: CliSettings,
  io: Io,
  interrupted: AbortSignal,
): Promise<ExitCode> {
  try {
    return await dispatch(argv, settings, io, interrupted);
  } catch (error) {
    if (interrupted.aborted) return exitCodes.interrupted;
    io.stderr(failureText(error, argv.includes('--json')));
    if (error instanceof UsageError) io.stderr('See sluice --help.\n');
    return exitCodeOf(error);
  }
}

async function dispatch(
  argv: readonly string[],
  settings: CliSettings,
  io: Io,
  interrupted: AbortSignal,
): Promise<ExitCode> {
  const [noun, ...rest] = argv;
  switch (noun) {
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      io.stdout(mainHelp(commands));
      return noun === undefined ? exitCodes.usage : exitCodes.ok;
    case '--version':
      io.stdout(`${programVersion}\n`);
      return exitCodes.ok;
    case 'login':
      return runLogin(rest, settings, io);
    case 'logout':
      if (rest.length > 0) throw new UsageError(`Logout takes nothing, not ${rest.join(' ')}.`);
      return logout(settings, io);
    default:
      return runCommand(noun, rest, settings, io, interrupted);
  }
}

function runLogin(args: readonly string[], settings: CliSettings, io: Io): Promise<ExitCode> | ExitCode {
  const { values } = parse(args, {
    ...everywhere,
    login: text,
    days: { type: 'string', default: '30' },
    'token-stdin': flag,
    'password-stdin': flag,
  });
  if (!values.help) return login(settings, values, io);
  io.stdout(loginHelp);
  return exitCodes.ok;
}

/** A noun with one verb needs none. */
function findCommand(noun: string, args: readonly string[]): { command: Command; args: readonly string[] } {
  const verbs = commands.filter((command) => command.noun === noun);
  if (verbs.length === 0) throw new UsageError(`There is no command "${noun}".`);
  const [verb, ...rest] = args;
  const command = verbs.find((one) => one.verb === verb);
  if (command) return { command, args: rest };
  const [only, ...others] = verbs;
  if (only && others.length === 0 && (verb === undefined || verb.startsWith('-')))
    return { command: only, args };
  throw new UsageError(`Say what to do with ${noun}: ${verbs.map((one) => one.verb).join(', ')}.`);
}

async function runCommand(
  noun: string,
  given: readonly string[],
  settings: CliSettings,
  io: Io,
  interrupted: AbortSignal,
): Promise<ExitCode> {
  const { command, args } = findCommand(noun, given);
  const { values, positionals } = parse(args, { ...everywhere, ...watching, ...command.options });
  if (values.help) {
    io.stdout(commandHelp(command));
    return exitCodes.ok;
  }
  if (positionals.length !== command.args.length)
    throw new UsageError(
      `It takes ${command.args.map((name) => `<${name}>`).join(' ') || 'no argument'}, not ${positionals.length}.`,
    );
  if (values.watch && command.watches === undefined && !('watch' in command.options))
    throw new UsageError('This cannot be watched.');
  const timeout = timeoutOf(values.timeout);
  const connection = connectionOf(settings, values.url);
  const context = {
    client: createClient(connection),
    connection,
    args: Object.fromEntries(command.args.map((name, index) => [name, positionals[index] ?? ''])),
    options: values,
    json: values.json,
    io,
    signal: timeout ? AbortSignal.any([interrupted, timeout]) : interrupted,
  };
  const code = await (values.watch && command.watches !== undefined
    ? watch(command, context)
    : command.run(context));
  if (interrupted.aborted) return exitCodes.interrupted;
  return timeout?.aborted ? exitCodes.timedOut : (code ?? exitCodes.ok);
}

function timeoutOf(seconds: string | undefined): AbortSignal | undefined {
  if (seconds === undefined) return undefined;
  if (!(Number(seconds) > 0 && Number(seconds) <= 86_400))
    throw new UsageError('--timeout must be seconds, above 0 and at most a day');
  return AbortSignal.timeout(Number(seconds) * 1_000);
}
