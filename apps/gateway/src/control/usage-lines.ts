/**
 * What a journal of usage says, and how it is read. Each entry names the sums that have changed, as they are now, and ends with all
 * that was served; a sum is introduced once by its name. An entry that was cut off does not count, nor does what comes after damage.
 */
import { UsageRow, usageUnits } from '#contracts/usage';
import type { UsageTotals } from '#contracts/usage';
import { noUsage } from '#contracts/usage-totals';
import type { UsageChanges } from '../data-plane/usage-meter.js';

export interface Journalled {
  readonly rows: UsageRow[];
  readonly served: UsageTotals;
}

const amountsOf = (totals: Readonly<UsageTotals>): string => usageUnits.map((unit) => totals[unit]).join(' ');

/** @param introduced numbers of sums that the journal names already; grows */
export function writeEntry({ sums, served }: UsageChanges, introduced: Set<number>): string {
  let text = '';
  for (const { number, row } of sums) {
    if (!introduced.has(number)) {
      introduced.add(number);
      text += `name ${number} ${JSON.stringify({ ...row, ...noUsage() })}\n`;
    }
    text += `sum ${number} ${amountsOf(row)}\n`;
  }
  return `${text}served ${amountsOf(served)}\n`;
}

const line =
  /^(?:name (?<named>\d+) (?<name>\{.*\})|sum (?<number>\d+) (?<sum>[\d ]+)|served (?<served>[\d ]+))$/;

function parseAmounts(text: string): UsageTotals | undefined {
  const numbers = text.split(' ').map(Number);
  if (numbers.length !== usageUnits.length) return undefined;
  return Object.assign(noUsage(), Object.fromEntries(usageUnits.map((unit, n) => [unit, numbers[n]])));
}

function parseName(text: string): UsageRow | undefined {
  try {
    return UsageRow.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The state after the last whole entry. */
export function readEntries(text: string): Journalled {
  const names = new Map<string, UsageRow>();
  const sums = new Map<string, UsageTotals>();
  let pending = new Map<string, UsageTotals>();
  let served = noUsage();
  // What follows the last line break was cut off.
  for (const written of text.split('\n').slice(0, -1)) {
    const found = line.exec(written)?.groups;
    const name = found?.['name'] === undefined ? undefined : parseName(found['name']);
    const sum = found?.['sum'] === undefined ? undefined : parseAmounts(found['sum']);
    const total = found?.['served'] === undefined ? undefined : parseAmounts(found['served']);
    if (name) names.set(found?.['named'] ?? '', name);
    else if (sum && names.has(found?.['number'] ?? '')) pending.set(found?.['number'] ?? '', sum);
    else if (total) {
      for (const [number, amounts] of pending) sums.set(number, amounts);
      pending = new Map();
      served = total;
    } else break;
  }
  const rows = [...sums].flatMap(([number, amounts]) => {
    const row = names.get(number);
    return row ? [{ ...row, ...amounts }] : [];
  });
  return { rows, served };
}
