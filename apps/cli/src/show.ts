import type { Context } from './command.js';
import { table } from './output.js';

type Shown = Pick<Context, 'io' | 'json'>;

/** One JSON document, in one line when it is one of several. */
export function showJson({ io }: Pick<Shown, 'io'>, value: unknown, isOneOfMany = false): void {
  io.stdout(`${JSON.stringify(value, null, isOneOfMany ? 0 : 2)}\n`);
}

/** A list: the API's own shape with --json, else a table. */
export function showList<T>(
  { io, json }: Shown,
  items: readonly T[],
  head: readonly string[],
  rowOf: (item: T) => readonly string[],
): void {
  if (json) showJson({ io }, { items });
  else if (items.length === 0) io.stderr('There are none.\n');
  else io.stdout(table(io, head, items.map(rowOf)));
}
