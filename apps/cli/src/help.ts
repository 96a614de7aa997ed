/** The help, made from the table of commands. Pure. */
import type { Command } from './command.js';

const usageOf = ({ noun, verb, args }: Command): string =>
  ['sluice', noun, verb, ...args.map((name) => `<${name}>`)].join(' ');

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}   ${text}`).join('\n');
}

const everywhere: readonly (readonly [string, string])[] = [
  ['--url <url>', 'the gateway or registry (SLUICE_URL, what login has kept, http://127.0.0.1:8080)'],
  ['--json', 'the API’s own JSON in place of a table'],
  ['--help', 'this, or a command’s options'],
];
const watching = [
  ['--watch', 'show it again whenever it changes'],
  ['--timeout <seconds>', 'stop watching after so long, with code 6'],
] as const;

const codes = 'Ends with 0 ok · 1 failure · 2 usage · 3 not found · 4 refused · 5 conflict · 6 timed out.';

/** All commands. */
export function mainHelp(commands: readonly Command[]): string {
  const rows = [
    ['sluice login', 'Sign in with a password or, with --token-stdin, an API token'],
    ['sluice logout', 'Sign out on this machine'],
    ...commands.map((command) => [usageOf(command), command.summary]),
  ] as [string, string][];
  return `Usage: sluice <noun> <verb> [options]\n\n${columns(rows)}\n\n${columns(everywhere)}\n\n${codes}\n`;
}

export const loginHelp = `Usage: sluice login [options]

${columns([
  ['--url <url>', 'where to'],
  ['--login <login>', 'who; else it is asked for'],
  ['--password-stdin', 'read the password from stdin in place of the terminal'],
  ['--token-stdin', 'take an API token from stdin in place of a password'],
  ['--days <days>', 'how long the token made for this machine is good (default 30)'],
])}
`;

/** One command. */
export function commandHelp(command: Command): string {
  const own = Object.entries(command.options).map(([name, { type }]): [string, string] => [
    `--${name}${type === 'string' ? ` <${name}>` : ''}`,
    command.help[name] ?? '',
  ]);
  const rows = [...own, ...(command.watches === undefined ? [] : watching), ...everywhere];
  return `${command.summary}.\n\nUsage: ${usageOf(command)}\n\n${columns(rows)}\n`;
}
