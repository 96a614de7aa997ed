/** Keyset pagination: a page token holds the sort key of the last row, so a page costs the same wherever it lies. */
import type { Page } from '#contracts/common';
import { SluiceError } from '#platform/errors';
import type { z } from 'zod';

/** The token of the page after the row with this sort key. */
export const encodePageToken = (key: readonly unknown[]): string =>
  Buffer.from(JSON.stringify(key)).toString('base64url');

/** The sort key in a token; undefined without a token. @throws SluiceError INVALID_REQUEST if we did not make it */
export function decodePageToken<T extends z.ZodType>(
  token: string | undefined,
  schema: T,
): z.output<T> | undefined {
  if (token === undefined) return undefined;
  const result = schema.safeParse(parseJson(Buffer.from(token, 'base64url').toString('utf8')));
  if (result.success) return result.data;
  const message = 'is not a token of this list';
  throw new SluiceError('INVALID_REQUEST', `query.page_token: ${message}`, {
    fields: [{ path: 'query.page_token', message }],
  });
}

/** Makes a page of rows that were read with `LIMIT pageSize + 1`: the extra row only says that there is more. */
export function toPage<T>(
  rows: readonly T[],
  pageSize: number,
  keyOf: (row: T) => readonly unknown[],
): Page<T> {
  const items = rows.slice(0, pageSize);
  const last = items.at(-1);
  if (rows.length <= pageSize || last === undefined) return { items };
  return { items, next_page_token: encodePageToken(keyOf(last)) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
