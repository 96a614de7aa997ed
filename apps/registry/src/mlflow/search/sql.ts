/** From parsed filters to SQL. Keys and values travel as parameters only; texts of a caller never become SQL. */
import { SluiceError } from '#platform/errors';
import { parseFilter, parseOrder } from './filter.js';
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
  readonly type: 'number' | 'text';
  /** Whether `!=` is also true of a row that lacks the field. */
  readonly absentDiffers?: boolean;
}

/** @returns undefined for a field that the entity does not have */
export type Resolve = (field: Field, parameters: Parameters) => Subject | undefined;

/** A condition, `true` for an empty filter. @throws SluiceError INVALID_REQUEST */
export function toCondition(filter: string, resolve: Resolve, parameters: Parameters): string {
  const conditions = parseFilter(filter).map((comparison) => condition(comparison, resolve, parameters));
  return conditions.length === 0 ? 'true' : conditions.join(' AND ');
}

/** An ORDER BY list; `tieBreak` makes the order total. */
export function toOrderBy(
  orders: readonly string[],
  resolve: Resolve,
  parameters: Parameters,
  tieBreak: string,
): string {
  const columns = orders.map((text) => {
    const { field, descending } = parseOrder(text);
    return `${subjectOf(field, resolve, parameters).sql} ${descending ? 'DESC' : 'ASC'} NULLS LAST`;
  });
  return [...columns, tieBreak].join(', ');
}

/** A subject out of a table of plain columns. */
export const attributeOf = (columns: Readonly<Record<string, Subject>>, key: string): Subject | undefined =>
  Object.hasOwn(columns, key) ? columns[key] : undefined;

function subjectOf(field: Field, resolve: Resolve, parameters: Parameters): Subject {
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
  const { sql, type, absentDiffers = false } = subjectOf(field, resolve, parameters);
  switch (comparator) {
    case 'IS NULL':
    case 'IS NOT NULL':
      return `${sql} ${comparator}`;
    case 'IN':
    case 'NOT IN': {
      const list = parameters.add([value].flat().map(String));
      return `${comparator === 'IN' ? '' : 'NOT '}(${sql}::text = ANY(${list}::text[]))`;
    }
    case 'LIKE':
    case 'ILIKE':
      if (type === 'number') throw wrongType(field, `a number cannot be compared by ${comparator}`);
      return `${sql} ${comparator} ${parameters.add(String(value))}::text`;
    case '=':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return type === 'number'
        ? compareNumber(sql, comparator, field, value, parameters)
        : compareText({ sql, absentDiffers }, comparator, field, value, parameters);
  }
}

function compareNumber(
  sql: string,
  comparator: string,
  field: Field,
  value: Value,
  parameters: Parameters,
): string {
  if (!Number.isFinite(Number(value))) throw wrongType(field, 'it is compared with a number');
  return `${sql} ${comparator} ${parameters.add(Number(value))}::float8`;
}

function compareText(
  { sql, absentDiffers }: { readonly sql: string; readonly absentDiffers: boolean },
  comparator: string,
  field: Field,
  value: Value,
  parameters: Parameters,
): string {
  if (comparator !== '=' && comparator !== '!=')
    throw wrongType(field, `a text cannot be compared by ${comparator}`);
  const symbol = absentDiffers && comparator === '!=' ? 'IS DISTINCT FROM' : comparator;
  return `${sql} ${symbol} ${parameters.add(String(value))}::text`;
}

const wrongType = (field: Field, why: string): SluiceError =>
  new SluiceError('INVALID_REQUEST', `Invalid comparison of '${field.key.slice(0, 250)}': ${why}.`);
