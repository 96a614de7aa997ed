/**
 * What a person or a script reads: data on stdout, everything else on stderr. Names come from callers of the API, so nothing of them
 * reaches the terminal that could command it.
 */
import { SluiceClientError } from '#client/client';
import { messageOf } from '#platform/errors';

export interface Io {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether stdout is a terminal that shows colours. */
  readonly colour: boolean;
}

/** Without control characters, which a terminal would obey. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, '\u{fffd}');

const codes = { green: 32, yellow: 33, red: 31, dim: 2 } as const;
export type Colour = keyof typeof codes;

/** A word whose colour says how good it is; the word says it too. */
export const coloured = (io: Io, colour: Colour, text: string): string =>
  io.colour ? `\u{1b}[${codes[colour]}m${text}\u{1b}[0m` : text;

const colourOf: Readonly<Record<string, Colour>> = {
  READY: 'green',
  serving: 'green',
  open: 'green',
  PENDING: 'yellow',
  DRAINING: 'yellow',
  reserved: 'yellow',
  FAILED: 'red',
  LOST: 'red',
  exhausted: 'red',
};

/** Columns as wide as their widest cell; states are coloured. */
export function table(io: Io, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => paint(io, cell, cell.padEnd(widths[column] ?? 0))).join('   ');
  return cells.map((row) => `${line(row).trimEnd()}\n`).join('');
}

/** One thing, a line for each of its fields. */
export function fields(io: Io, entries: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries
    .map(([name, value]) => `${name.padEnd(width)}   ${paint(io, value, printable(value))}\n`)
    .join('');
}

function paint(io: Io, word: string, text: string): string {
  const colour = colourOf[word];
  return colour ? coloured(io, colour, text) : text;
}

/** A failure as a script reads it (`json`), or a person: code, what happened, what to look for in the log. */
export function failureText(error: unknown, json: boolean): string {
  const problem = error instanceof SluiceClientError ? error.problem : undefined;
  if (json) return `${JSON.stringify(problem ?? { detail: messageOf(error) })}\n`;
  if (!problem) return `sluice: ${printable(messageOf(error))}\n`;
  const lines = [
    `sluice: ${problem.code}: ${printable(problem.detail)}`,
    ...(problem.errors ?? []).map(({ path, message }) => `  ${printable(path)}: ${printable(message)}`),
    ...(problem.request_id === undefined ? [] : [`  request ${printable(problem.request_id)}`]),
    ...(problem.status === 401 ? ['  Sign in: sluice login, or set SLUICE_TOKEN.'] : []),
  ];
  return `${lines.join('\n')}\n`;
}
