/**
 * Reads TensorFlow Serving's answers for comparison. They name no datatypes, so a number may be floating point or an integer, and the
 * first dimension is the batch.
 */
import { z } from 'zod';
import type { Output } from './output.js';

const Pair = z.tuple([z.union([z.string(), z.number()]), z.number().nullable()]);
const ServableAnswer = z.union([
  z.object({ predictions: z.array(z.unknown()) }),
  z.object({ outputs: z.unknown() }),
  z.object({ results: z.array(z.array(Pair).min(1)).min(1) }),
  z.object({ results: z.array(z.number().nullable()) }),
]);

type Leaf = Output['values'][number];
const isNamed = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !('b64' in value);

function leafOf(value: unknown): Leaf {
  if (value === null) return NaN;
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
  return z.object({ b64: z.string() }).parse(value).b64;
}

function shapeOf(value: unknown): number[] {
  return Array.isArray(value) ? [value.length, ...shapeOf(value[0])] : [];
}

function tensor(name: string, rows: unknown): Output {
  const values = [rows].flat(Infinity).map(leafOf);
  const shape = shapeOf(rows);
  return {
    name,
    kind: values.every((value) => typeof value === 'number') ? 'number' : 'label',
    // One number a row is a row of one number, and no row of all the batch.
    shape: shape.length === 1 ? [...shape, 1] : shape,
    values,
  };
}

/** Rows of named values, or of the values of the only output. */
function fromRows(rows: readonly unknown[]): Output[] {
  const [first] = rows;
  if (!isNamed(first)) return [tensor('', rows)];
  const named = rows.map((row) => z.record(z.string(), z.unknown()).parse(row));
  return Object.keys(first).map((name) =>
    tensor(
      name,
      named.map((row) => row[name]),
    ),
  );
}

const fromColumns = (outputs: unknown): Output[] =>
  isNamed(outputs)
    ? Object.entries(outputs).map(([name, value]) => tensor(name, value))
    : [tensor('', outputs)];

type Classes = readonly z.infer<typeof Pair>[];
const scoreOf = ([, score]: z.infer<typeof Pair>): number => score ?? NaN;

/** The label with the highest score of each row, and the scores in the order of their labels. */
function fromClasses(rows: readonly Classes[]): Output[] {
  const top = (row: Classes): string =>
    String(row.reduce((best, pair) => (scoreOf(pair) > scoreOf(best) ? pair : best), row[0] ?? ['', 0])[0]);
  const byLabel = rows.map((row) =>
    [...row].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)).map(scoreOf),
  );
  return [
    { name: 'label', kind: 'label', shape: [rows.length], values: rows.map(top) },
    { ...tensor('score', byLabel), kind: 'float' },
  ];
}

const isClasses = (results: readonly (number | null)[] | readonly Classes[]): results is readonly Classes[] =>
  Array.isArray(results[0]);

/** @throws when it is no such answer */
export function readServableAnswer(json: unknown): Output[] {
  const answer = ServableAnswer.parse(json);
  if ('predictions' in answer) return fromRows(answer.predictions);
  if ('outputs' in answer) return fromColumns(answer.outputs);
  return isClasses(answer.results)
    ? fromClasses(answer.results)
    : [{ ...tensor('', answer.results), kind: 'float' }];
}
