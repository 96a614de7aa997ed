/**
 * Pages of a search by the sort key of the last row, whatever columns the caller sorts by. A page then costs the same wherever
 * it lies, and rows that come or go in between shift nothing.
 */
import { SluiceError } from '#platform/errors';
import { z } from 'zod';
import { decodePageToken, encodePageToken } from '../../http/page.js';
import { parseOrder } from './filter.js';
import { subjectOf } from './sql.js';
import type { Parameters, Resolve, Subject } from './sql.js';

type TermType = Subject['type'] | 'uuid' | 'rank';

/** One column of an ORDER BY. */
export interface Term {
  readonly sql: string;
  readonly type: TermType;
  readonly descending: boolean;
}

/** Where a page begins: the values of the terms in the last row before it. */
export type Place = readonly (string | null)[];

interface Wire {
  readonly pattern: RegExp;
  /** The term as it travels in a token. */
  read(sql: string): string;
  /** What a token gave, as a value of the term's type again. */
  write(parameter: string): string;
}

const plain = (type: string, pattern: RegExp): Wire => ({
  pattern,
  read: (sql) => `(${sql})::text`,
  write: (parameter) => `${parameter}::${type}`,
});
const wires: Readonly<Record<TermType, Wire>> = {
  number: plain('float8', /^(?:-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|-?Infinity)$/),
  text: plain('text', /^/),
  uuid: plain('uuid', /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  rank: plain('int4', /^[0-2]$/),
  // In microseconds, as PostgreSQL keeps them, and independent of its settings.
  instant: {
    pattern: /^-?\d{1,18}$/,
    read: (sql) => `(extract(epoch FROM ${sql}) * 1000000)::int8::text`,
    write: (parameter) => `(timestamptz 'epoch' + ${parameter}::int8 * interval '1 microsecond')`,
  },
};

/** The terms of MLflow's `order_by`: rows that lack a value come last, and NaN just before them. */
export function orderTerms(orders: readonly string[], resolve: Resolve, parameters: Parameters): Term[] {
  return orders.flatMap((text): Term[] => {
    const { field, descending } = parseOrder(text);
    const { sql, type, required = false } = subjectOf(field, resolve, parameters);
    const nan = type === 'number' ? ` WHEN ${sql} = 'NaN'::float8 THEN 1` : '';
    const rank = {
      sql: `(CASE WHEN ${sql} IS NULL THEN 2${nan} ELSE 0 END)`,
      type: 'rank',
      descending: false,
    } as const;
    return [...(required ? [] : [rank]), { sql, type, descending }];
  });
}

export const orderBy = (terms: readonly Term[]): string =>
  terms.map(({ sql, descending }) => `${sql} ${descending ? 'DESC' : 'ASC'}`).join(', ');

/** The column that {@link placeOf} reads. */
export const placeColumn = (terms: readonly Term[]): string =>
  `json_build_array(${terms.map(({ sql, type }) => wires[type].read(sql)).join(', ')}) AS place`;

/** The rows after `place`. */
export function afterPlace(terms: readonly Term[], place: Place, parameters: Parameters): string {
  const [term, ...rest] = terms;
  if (term === undefined) return 'false';
  const value = place[0] ?? null;
  const further = afterPlace(rest, place.slice(1), parameters);
  // Equal ranks: the term is absent from both.
  if (value === null) return further;
  const given = wires[term.type].write(parameters.add(value));
  const sign = term.descending ? '<' : '>';
  // The first half says nothing new, but an index can begin there.
  return `(${term.sql} ${sign}= ${given} AND (${term.sql} ${sign} ${given} OR ${further}))`;
}

/** @throws SluiceError INVALID_REQUEST for a token of another search */
export function placeOf(pageToken: string, terms: readonly Term[]): Place | undefined {
  const place = decodePageToken(pageToken === '' ? undefined : pageToken, z.array(z.string().nullable()));
  if (place === undefined) return undefined;
  const fits = terms.every(({ type }, i) => place[i] === null || wires[type].pattern.test(place[i] ?? ''));
  if (fits && place.length === terms.length) return place;
  throw new SluiceError('INVALID_REQUEST', 'The page_token is not one that this search answered.');
}

export interface PagedStatement {
  /** SELECT … FROM … WHERE …, in which `columns` are the terms' and `condition` the page's. */
  readonly select: (columns: string, condition: string) => string;
  readonly terms: readonly Term[];
  readonly parameters: Parameters;
  readonly pageToken: string;
  readonly limit: number;
}

/** A row, and where it stands. */
export type Placed<Row> = Row & { readonly place: Place };

/** Reads a page, and one row more: its presence tells that there is another page. */
export async function readPage<Row extends object>(
  query: (text: string, values: unknown[]) => Promise<Placed<Row>[]>,
  { select, terms, parameters, pageToken, limit }: PagedStatement,
): Promise<{ rows: Row[]; next_page_token?: string }> {
  const place = placeOf(pageToken, terms);
  const condition = place === undefined ? 'true' : afterPlace(terms, place, parameters);
  const text = `${select(placeColumn(terms), condition)} ORDER BY ${orderBy(terms)} LIMIT ${limit + 1}`;
  const found = await query(text, parameters.values);
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const hasMore = found.length > limit && last !== undefined;
  return { rows, ...(hasMore ? { next_page_token: encodePageToken(last.place) } : {}) };
}
