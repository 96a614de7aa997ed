import type { Page } from '#contracts/common';
import { UsageError } from './exit-code.js';
import type { Io } from './output.js';

type Read<T> = (query: { page_size: number; page_token?: string }) => Promise<Page<T>>;

const pageSize = 200;

/** Option of every list. */
export const limitOption = { limit: { type: 'string', default: '100' } } as const;
export const limitHelp = { limit: 'rows at most (default 100)' } as const;

/** Reads a list page by page up to `limit` rows, and says when there is more. */
export async function readList<T>(read: Read<T>, limit: string, io: Io): Promise<T[]> {
  const most = Number(limit);
  if (!Number.isInteger(most) || most < 1) throw new UsageError('--limit must be a whole number above 0');
  const items: T[] = [];
  let next: string | undefined;
  do {
    const page = await read({
      page_size: Math.min(pageSize, most - items.length),
      ...(next === undefined ? {} : { page_token: next }),
    });
    items.push(...page.items);
    next = page.next_page_token;
  } while (next !== undefined && items.length < most);
  if (next !== undefined) io.stderr(`There is more than these ${items.length}: use --limit.\n`);
  return items;
}
