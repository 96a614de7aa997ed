/** From parsed filters to SQL. Keys and values travel as parameters only; texts of a caller never become SQL. */
import { SluiceError } from '#platform/errors';
import { parseFilter } from './filter.js';
import type { Comparison, Field, Value } from './filter.js';

/** The parameters of one statement, `$1` first. */
export class Parameters {
  readonly values: unknown[] = [];

  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/** What a field is in the statement; a row that lacks it gives NULL. */
export interface Subject {
  readonly sql: string;
  /** Instants are compared with milliseconds since 1970. */
  readonly type: 'number' | 'text' | 'instant';
  /** Whether `!=` is also true of a row that lacks the field. */
  readonly absentDiffers?: boolean;
  /** No row lacks it. */
  readonly required?: boolean;
  /** Where the field is a row of another table: makes a condition on that row one on ours. `sql` holds inside only. */
  readonly within?: (condition: string) => string;
}

/** @returns undefined for a field that the entity does not have */
export type Resolve = (field: Field, parameters: Parameters) => Subject | undefined;

/** A condition, `true` for an empty filter. @throws SluiceError INVALID_REQUEST */
export function toCondition(filter: string, resolve: Resolve, parameters: Parameters): string {
  const conditions = parseFilter(filter).map((comparison) => condition(comparison, resolve, parameters));
  return conditions.length === 0 ? 'true' : conditions.join(' AND ');
}

/** A subject out of a table of plain columns. */
export const attributeOf = (columns: Readonly<Record<string, Subject>>, key: string): Subject | undefined =>
  Object.hasOwn(columns, key) ? columns[key] : undefined;

/** @throws SluiceError INVALID_REQUEST */
export function subjectOf(field: Field, resolve: Resolve, parameters: Parameters): Subject {
  const subject = resolve(field, parameters);
  if (subject) return subject;
  const name = `${field.entity}.${field.key}`.slice(0, 300);
  throw new SluiceError('INVALID_REQUEST', `Invalid attribute key '${name}' in filter or order_by.`);
}

function condition(
  { field, comparator, value }: Comparison,
  resolve: Resolve,
  parameters: Parameters,
): string {
  const subject = subjectOf(field, resolve, parameters);
  const { sql, type, within = (inner: string) => inner } = subject;
  switch (comparator) {
    case 'IS NULL':
      return subject.within ? `NOT ${within('true')}` : `${sql} IS NULL`;
    case 'IS NOT NULL':
      return subject.within ? within('true') : `${sql} IS NOT NULL`;
    case 'IN':
    case 'NOT IN': {
      const list = parameters.add([value].flat().map(String));
      return within(`${comparator === 'IN' ? '' : 'NOT '}(${sql}::text = ANY(${list}::text[]))`);
    }
    case 'LIKE':
    case 'ILIKE':
      if (type !== 'text') throw wrongType(field, `a number cannot be compared by ${comparator}`);
      return within(`${sql} ${comparator} ${parameters.add(likePattern(value))}::text`);
    case '=':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return within(
        type === 'text'
          ? compareText(subject, comparator, field, value, parameters)
          : compareNumber(subject, comparator, field, value, parameters),
      );
  }
}

/** A backslash at the end would escape nothing, which PostgreSQL refuses. */
const likePattern = (value: Value): string => String(value).replace(/(?<!\\)((?:\\\\)*)\\$/, '$1\\\\');

function compareNumber(
  { sql, type }: Subject,
  comparator: string,
  field: Field,
  value: Value,
  parameters: Parameters,
): string {
  if (!Number.isFinite(Number(value))) throw wrongType(field, 'it is compared with a number');
  const number = `${parameters.add(Number(value))}::float8`;
  if (type === 'instant') return `${sql} ${comparator} to_timestamp(${number} / 1000)`;
  // For PostgreSQL NaN is above every number; for a caller it is none.
  const notNan = comparator.startsWith('>') ? ` AND ${sql} < 'NaN'::float8` : '';
  return `${sql} ${comparator} ${number}${notNan}`;
}

/** The first characters of long texts are in an index. */
export const indexedChars = 64;

function compareText(
  { sql, absentDiffers = false, within }: Subject,
  comparator: string,
  field: Field,
  value: Value,
  parameters: Parameters,
): string {
  if (comparator !== '=' && comparator !== '!=')
    throw wrongType(field, `a text cannot be compared by ${comparator}`);
  const symbol = absentDiffers && comparator === '!=' ? 'IS DISTINCT FROM' : comparator;
  const text = `${parameters.add(String(value))}::text`;
  const begin =
    within && comparator === '=' ? `left(${sql}, ${indexedChars}) = left(${text}, ${indexedChars}) AND ` : '';
  return `${begin}${sql} ${symbol} ${text}`;
}

const wrongType = (field: Field, why: string): SluiceError =>
  new SluiceError('INVALID_REQUEST', `Invalid comparison of '${field.key.slice(0, 250)}': ${why}.`);
