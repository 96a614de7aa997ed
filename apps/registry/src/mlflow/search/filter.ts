/** MLflow's filter grammar: comparisons joined by AND. Parses text into plain data; knows no entity and no SQL. */
import { SluiceError } from '#platform/errors';

export type Comparator =
  '=' | '!=' | '<' | '<=' | '>' | '>=' | 'LIKE' | 'ILIKE' | 'IN' | 'NOT IN' | 'IS NULL' | 'IS NOT NULL';
export type Value = string | number | readonly (string | number)[] | null;

/** `metrics.loss`, or `status` alone, whose entity is the attributes. */
export interface Field {
  readonly entity: 'attribute' | 'metric' | 'param' | 'tag' | 'dataset';
  readonly key: string;
}
export interface Comparison {
  readonly field: Field;
  readonly comparator: Comparator;
  readonly value: Value;
}
export interface Order {
  readonly field: Field;
  readonly descending: boolean;
}

const entities: Readonly<Record<string, Field['entity']>> = {
  attribute: 'attribute',
  attributes: 'attribute',
  attr: 'attribute',
  run: 'attribute',
  metric: 'metric',
  metrics: 'metric',
  param: 'param',
  params: 'param',
  parameter: 'param',
  parameters: 'param',
  tag: 'tag',
  tags: 'tag',
  dataset: 'dataset',
  datasets: 'dataset',
};

const quoted = '`([^`]+)`|"([^"]+)"';
const fieldPattern = new RegExp(
  String.raw`\s*(?:(\w+)\s*\.\s*(?:${quoted}|([\w./-]+))|${quoted}|(\w+))`,
  'y',
);
const comparatorPattern =
  /\s*(<=|>=|!=|=|<|>|NOT\s+IN\b|IN\b|LIKE\b|ILIKE\b|IS\s+NOT\s+NULL\b|IS\s+NULL\b)/iy;
const literalPattern = /\s*(?:'((?:[^']|'')*)'|"([^"]*)"|(-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(?![\w.]))/iy;

/** Reads a text from left to right. */
class Reader {
  #at = 0;
  constructor(readonly text: string) {}

  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.text);
    if (match) this.#at = pattern.lastIndex;
    return match;
  }

  get isDone(): boolean {
    return this.text.slice(this.#at).trim() === '';
  }

  refuse(wanted: string): never {
    const where = this.text.slice(this.#at, this.#at + 40);
    throw new SluiceError('INVALID_REQUEST', `Invalid filter: ${wanted} was expected at '${where}'.`);
  }
}

/** @throws SluiceError INVALID_REQUEST */
export function parseFilter(text: string): Comparison[] {
  const reader = new Reader(text);
  if (reader.isDone) return [];
  const comparisons = [readComparison(reader)];
  while (!reader.isDone) {
    if (!reader.take(/\s*AND\b/iy)) reader.refuse('AND');
    comparisons.push(readComparison(reader));
  }
  return comparisons;
}

/** `metrics.loss DESC`. @throws SluiceError INVALID_REQUEST */
export function parseOrder(text: string): Order {
  const reader = new Reader(text);
  const field = readField(reader);
  const direction = reader.take(/\s*(ASC|DESC)\b/iy);
  if (!reader.isDone) reader.refuse('ASC, DESC or the end');
  return { field, descending: direction?.[1]?.toUpperCase() === 'DESC' };
}

function readComparison(reader: Reader): Comparison {
  const field = readField(reader);
  const found = reader.take(comparatorPattern)?.[1] ?? reader.refuse('a comparator');
  const comparator = found.toUpperCase().replace(/\s+/g, ' ') as Comparator;
  if (comparator === 'IS NULL' || comparator === 'IS NOT NULL') return { field, comparator, value: null };
  const isList = comparator === 'IN' || comparator === 'NOT IN';
  return { field, comparator, value: isList ? readList(reader) : readLiteral(reader) };
}

function readField(reader: Reader): Field {
  const match = reader.take(fieldPattern) ?? reader.refuse('a field');
  const [, prefix, tick, double, plain, loneTick, loneDouble, word] = match;
  if (prefix === undefined) return { entity: 'attribute', key: loneTick ?? loneDouble ?? word ?? '' };
  const entity = Object.hasOwn(entities, prefix.toLowerCase()) ? entities[prefix.toLowerCase()] : undefined;
  if (entity === undefined)
    throw new SluiceError('INVALID_REQUEST', `Invalid entity type '${prefix.slice(0, 100)}' in the filter.`);
  return { entity, key: tick ?? double ?? plain ?? '' };
}

function readLiteral(reader: Reader): string | number {
  const match = reader.take(literalPattern) ?? reader.refuse('a quoted text or a number');
  const [, single, double, number] = match;
  return number === undefined ? (single?.replaceAll("''", "'") ?? double ?? '') : Number(number);
}

function readList(reader: Reader): (string | number)[] {
  if (!reader.take(/\s*\(/y)) reader.refuse("'('");
  const values = [readLiteral(reader)];
  while (reader.take(/\s*,/y)) values.push(readLiteral(reader));
  if (!reader.take(/\s*\)/y)) reader.refuse("')'");
  return values;
}
