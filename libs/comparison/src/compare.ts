/** How much the answers of two versions to one request differ. Pure; owns no state. */
import { outputsOf } from './answer.js';
import type { Answer, Protocol } from './answer.js';
import type { Output, OutputKind } from './output.js';

export type Comparison =
  | {
      readonly kind: 'compared';
      /** Every row has the same top class, and every label is the same; undefined when no output has classes. */
      readonly sameTopClass: boolean | undefined;
      /** Over floating-point outputs, over integers only when there are no others; undefined without numbers. */
      readonly maxAbsDifference: number | undefined;
    }
  /** They have other outputs, or outputs of other shapes. */
  | { readonly kind: 'mismatched' }
  /** At least one cannot be read. */
  | { readonly kind: 'unreadable' };

type Pair = readonly [Output, Output];

/** Equal values do not differ, whatever they are; a NaN or infinity that only one has is infinitely far. */
function distance(a: unknown, b: unknown): number {
  if (Object.is(a, b) || a === b) return 0;
  const difference = Math.abs(Number(a) - Number(b));
  return Number.isNaN(difference) ? Infinity : difference;
}

function maxDistance([one, other]: Pair): number {
  let largest = 0;
  for (const [i, value] of one.values.entries())
    largest = Math.max(largest, distance(value, other.values[i]));
  return largest;
}

/** Where the largest of a row is; the first of equals, and NaN is never it. */
function topOf({ values }: Output, from: number, width: number): number {
  let top = 0;
  let largest = -Infinity;
  for (let i = 0; i < width; i += 1) {
    const value = Number(values[from + i]);
    if (value > largest) [top, largest] = [i, value];
  }
  return top;
}

const widthOf = ({ shape }: Output): number => shape.at(-1) ?? 1;

/** What is either, is integers when both have one whole number per row: these are classes, as a classifier's labels are. */
function kindOf([one, other]: Pair): Exclude<OutputKind, 'number'> {
  if (one.kind !== 'number') return one.kind;
  const isWhole = [...one.values, ...other.values].every(Number.isInteger);
  return isWhole && widthOf(one) < 2 ? 'integer' : 'float';
}

/** Undefined when the output says nothing of classes: a single floating-point number per row does not. */
function hasSameTop(pair: Pair): boolean | undefined {
  const [one, other] = pair;
  if (kindOf(pair) !== 'float') return one.values.every((value, i) => value === other.values[i]);
  const width = widthOf(one);
  if (width < 2) return undefined;
  for (let from = 0; from < one.values.length; from += width)
    if (topOf(one, from, width) !== topOf(other, from, width)) return false;
  return true;
}

function pairsOf(ones: readonly Output[], others: readonly Output[]): Pair[] | undefined {
  if (ones.length !== others.length) return undefined;
  const byName = new Map(others.map((output) => [output.name, output]));
  const pairs = ones.flatMap((one): Pair[] => {
    const other = byName.get(one.name);
    const fits =
      other?.kind === one.kind &&
      other.shape.join() === one.shape.join() &&
      other.values.length === one.values.length;
    return fits ? [[one, other]] : [];
  });
  return pairs.length === ones.length ? pairs : undefined;
}

/** Compares what the caller got with what the shadow version answered. */
export function compareAnswers(one: Answer, other: Answer, protocol: Protocol = 'oip'): Comparison {
  const [ones, others] = [outputsOf(one, protocol), outputsOf(other, protocol)];
  if (!ones || !others) return { kind: 'unreadable' };
  const pairs = pairsOf(ones, others);
  if (!pairs) return { kind: 'mismatched' };
  const tops = pairs.flatMap((pair) => hasSameTop(pair) ?? []);
  const floats = pairs.filter((pair) => kindOf(pair) === 'float');
  const numeric = floats.length > 0 ? floats : pairs.filter((pair) => kindOf(pair) === 'integer');
  return {
    kind: 'compared',
    sameTopClass: tops.length === 0 ? undefined : tops.every(Boolean),
    maxAbsDifference: numeric.length === 0 ? undefined : Math.max(...numeric.map(maxDistance)),
  };
}
