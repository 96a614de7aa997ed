/** What shadow traffic finds, as metrics. Fed as copies end, which is after their callers have been answered. */
import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Comparison } from '#comparison/compare';
import type { ShadowResult } from '../data-plane/shadow.js';

/** Upper bounds of absolute differences; the first holds answers that are equal. */
const differenceBounds = [0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10];

type Agreement = 'same_top_class' | 'other_top_class' | 'no_classes' | 'mismatched' | 'unreadable';

function agreementOf(comparison: Comparison): Agreement {
  if (comparison.kind !== 'compared') return comparison.kind;
  if (comparison.sameTopClass === undefined) return 'no_classes';
  return comparison.sameTopClass ? 'same_top_class' : 'other_top_class';
}

const labelNames = ['endpoint', 'version'] as const;

/** Registers the metrics. @returns takes what became of each copy */
export function createShadowMetrics(registry: Registry): (result: ShadowResult) => void {
  const registers = [registry];
  const copies = new Counter({
    name: 'sluice_gateway_shadow_requests_total',
    help: 'Copies for a shadow version: answered, failed, or dropped for want of room',
    labelNames: [...labelNames, 'outcome'],
    registers,
  });
  const compared = new Counter({
    name: 'sluice_gateway_shadow_compared_total',
    help: 'Answers of a shadow version that were compared with what the caller got, by agreement of the top class',
    labelNames: [...labelNames, 'agreement'],
    registers,
  });
  const differences = new Histogram({
    name: 'sluice_gateway_shadow_abs_difference',
    help: 'Largest absolute difference between the numbers of both answers; not finite ones count in +Inf only',
    labelNames,
    buckets: differenceBounds,
    registers,
  });
  const largest = new Gauge({
    name: 'sluice_gateway_shadow_max_abs_difference',
    help: 'The largest of these differences since the start',
    labelNames,
    aggregator: 'max',
    registers,
  });
  const seen = new Map<string, number>();
  return ({ endpoint, version, outcome, comparison }) => {
    const labels = { endpoint, version: String(version) };
    copies.inc({ ...labels, outcome });
    if (!comparison) return;
    compared.inc({ ...labels, agreement: agreementOf(comparison) });
    if (comparison.kind !== 'compared' || comparison.maxAbsDifference === undefined) return;
    const difference = comparison.maxAbsDifference;
    differences.observe(labels, Number.isFinite(difference) ? difference : Number.MAX_VALUE);
    const key = JSON.stringify(labels);
    const max = Math.max(seen.get(key) ?? 0, difference);
    seen.set(key, max);
    largest.set(labels, max);
  };
}
