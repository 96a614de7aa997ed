/** Sums as CSV (RFC 4180). */
import { usageUnits } from '#contracts/usage';
import type { UsageGroup, UsageSum } from '#contracts/usage';

/** Text that a spreadsheet would take for a formula is led by an apostrophe: names are made by callers. */
function cell(value: string | number | undefined): string {
  if (typeof value === 'number') return String(value);
  const text = (value ?? '').replace(/^[=+\-@\t\r]/, (mark) => `'${mark}`);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function toCsv(groups: readonly UsageGroup[], rows: readonly UsageSum[]): string {
  const columns = [...groups, ...usageUnits];
  const lines = rows.map((row) => columns.map((column) => cell(row[column])).join(','));
  return [columns.join(','), ...lines].map((line) => `${line}\r\n`).join('');
}
