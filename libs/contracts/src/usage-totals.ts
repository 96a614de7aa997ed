/** Arithmetic of what was used. */
import { usageUnits } from './usage.js';
import type { UsageTotals } from './usage.js';

export const noUsage = (): UsageTotals => ({
  requests: 0,
  rows: 0,
  request_bytes: 0,
  response_bytes: 0,
  compute_us: 0,
});

/** Adds in place: on the path of every request nothing is allocated. */
export function addUsage(sum: UsageTotals, used: Readonly<UsageTotals>): UsageTotals {
  for (const unit of usageUnits) sum[unit] += used[unit];
  return sum;
}

export const sumUsage = (all: Iterable<Readonly<UsageTotals>>): UsageTotals => {
  const sum = noUsage();
  for (const one of all) addUsage(sum, one);
  return sum;
};
