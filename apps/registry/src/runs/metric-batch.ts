/**
 * What a batch of metric points amounts to, before the database sees it: its keys, the latest point of each, and the lowest
 * and highest point of each block of steps. Pure; numbers are compared as PostgreSQL compares them.
 */
import type { MetricPoint } from '#contracts/runs';

/** Steps per block. A block costs one row, so few steps make drawing fine and many make storing cheap. */
export const stepsPerBlock = 128;

interface Point {
  readonly step: number;
  readonly timestampMs: number;
  readonly value: number;
}

interface Block {
  readonly keyIndex: number;
  readonly block: number;
  readonly isNan: boolean;
  low: Point;
  high: Point;
}

export interface MetricBatch {
  /** Each key once, in the order in which every writer takes their rows. */
  readonly keys: readonly string[];
  /** The latest point of each key. */
  readonly latest: readonly Point[];
  readonly points: readonly (Point & { readonly keyIndex: number })[];
  readonly blocks: readonly Block[];
}

/** As PostgreSQL orders float8: NaN is the greatest of all, and equal to itself. */
export function compareValues(one: number, other: number): number {
  if (Number.isNaN(one)) return Number.isNaN(other) ? 0 : 1;
  if (Number.isNaN(other)) return -1;
  return one < other ? -1 : Number(one > other);
}

/** By step, then time, then value. */
export const compareTime = (one: Point, other: Point): number =>
  one.step - other.step || one.timestampMs - other.timestampMs || compareValues(one.value, other.value);

/** Of points with equal values the earliest counts, so that the order of arrival does not matter. */
const isLower = (one: Point, other: Point): boolean =>
  (compareValues(one.value, other.value) || compareTime(one, other)) < 0;
const isHigher = (one: Point, other: Point): boolean =>
  (compareValues(other.value, one.value) || compareTime(one, other)) < 0;

export function summarize(metrics: readonly MetricPoint[]): MetricBatch {
  const keys = [...new Set(metrics.map(({ key }) => key))].sort();
  const indexOf = new Map(keys.map((key, index) => [key, index]));
  const latest: Point[] = [];
  const blocks = new Map<string, Block>();
  const points = metrics.map((metric) => {
    const keyIndex = indexOf.get(metric.key) ?? 0;
    const point = { step: metric.step, timestampMs: metric.timestamp_ms, value: Number(metric.value) };
    const known = latest[keyIndex];
    if (known === undefined || compareTime(point, known) > 0) latest[keyIndex] = point;
    addToBlock(blocks, keyIndex, point);
    return { ...point, keyIndex };
  });
  return { keys, latest, points, blocks: [...blocks.values()] };
}

function addToBlock(blocks: Map<string, Block>, keyIndex: number, point: Point): void {
  const block = Math.floor(point.step / stepsPerBlock);
  const isNan = Number.isNaN(point.value);
  const id = `${keyIndex} ${block} ${isNan}`;
  const known = blocks.get(id);
  if (known === undefined) blocks.set(id, { keyIndex, block, isNan, low: point, high: point });
  else {
    if (isLower(point, known.low)) known.low = point;
    if (isHigher(point, known.high)) known.high = point;
  }
}
