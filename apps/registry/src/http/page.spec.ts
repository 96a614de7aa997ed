import { array, assert, integer, oneof, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodePageToken, encodePageToken, toPage } from './page.js';

const Key = z.tuple([z.number()]);

describe('pages', () => {
  it('show every row once, in order, whatever their size', () => {
    assert(
      property(integer({ min: 0, max: 60 }), integer({ min: 1, max: 20 }), (count, pageSize) => {
        const rows = Array.from({ length: count }, (_, index) => index);
        const seen: number[] = [];
        let token: string | undefined;
        do {
          const after = decodePageToken(token, Key)?.[0] ?? -1;
          const read = rows.filter((row) => row > after).slice(0, pageSize + 1);
          const page = toPage(read, pageSize, (row) => [row]);
          seen.push(...page.items);
          token = page.next_page_token;
        } while (token !== undefined);
        expect(seen).toEqual(rows);
      }),
    );
  });

  it('have no token on the last page, even when it is full', () => {
    expect(toPage([1, 2], 2, (row) => [row])).toEqual({ items: [1, 2] });
    expect(toPage([1, 2, 3], 2, (row) => [row]).next_page_token).toBe(encodePageToken([2]));
  });

  it('take back any key as it was', () => {
    assert(
      property(array(oneof(string({ unit: 'grapheme' }), integer())), (key) => {
        expect(decodePageToken(encodePageToken(key), z.array(z.union([z.string(), z.number()])))).toEqual(
          key,
        );
      }),
    );
  });

  it.each(['', '{}', 'AAAA', encodePageToken(['text']), encodePageToken([1, 2])])('refuse %j', (token) => {
    expect(() => decodePageToken(token, Key)).toThrow('INVALID_REQUEST');
  });
});
