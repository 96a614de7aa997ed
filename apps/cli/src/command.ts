/** What a command is: its place in the line, its arguments and options, and what it does. */
import type { ParseArgsConfig } from 'node:util';
import { parseArgs } from 'node:util';
import type { ClientOptions, SluiceClient } from '#client/client';
import type { ExitCode } from './exit-code.js';
import type { Io } from './output.js';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O }>>['values'];

export interface Context<A extends string = string, V = Record<string, unknown>> {
  readonly client: SluiceClient;
  readonly connection: ClientOptions;
  readonly args: Readonly<Record<A, string>>;
  readonly options: V;
  readonly json: boolean;
  readonly io: Io;
  /** Ends with Ctrl-C and with --timeout. */
  readonly signal: AbortSignal;
}

/** A command with its types forgotten, as a table of commands holds it. */
export interface Command {
  readonly noun: string;
  readonly verb: string;
  readonly summary: string;
  readonly args: readonly string[];
  readonly options: Options;
  /** Placeholder or meaning of each option, for the help. */
  readonly help: Readonly<Record<string, string>>;
  /** Kinds of events after which it is run again with --watch; none: it cannot be watched. */
  readonly watches: string | undefined;
  /** @returns the code it ends with, also when watched; undefined: it shows a state, and ends well when it is not watched */
  run(context: Context): Promise<ExitCode | undefined>;
}

interface CommandSpec<A extends string, O extends Options> {
  readonly name: `${string} ${string}`;
  readonly summary: string;
  readonly args?: readonly A[];
  readonly options?: O;
  readonly help?: Readonly<Record<keyof O & string, string>>;
  readonly watches?: string;
  readonly run: (context: Context<A, Values<O>>) => Promise<ExitCode | undefined>;
}

/** Most commands have no options of their own. */
// oxlint-disable-next-line typescript/no-generated-empty-object-type -- that is what it is
type NoOptions = Record<never, never>;

/** Keeps the names of arguments and options together with what reads them. */
export function command<const A extends string = never, const O extends Options = NoOptions>(
  spec: CommandSpec<A, O>,
): Command {
  const [noun = '', verb = ''] = spec.name.split(' ');
  return {
    noun,
    verb,
    summary: spec.summary,
    args: spec.args ?? [],
    options: spec.options ?? {},
    help: spec.help ?? {},
    watches: spec.watches,
    // Parsed with exactly these options.
    run: (context) => spec.run(context as Context<A, Values<O>>),
  };
}
