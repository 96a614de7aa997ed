/** Benchmarks' tables, and their sections of docs/benchmarks.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '#platform/program';

/** A Markdown table; every column but the first is aligned to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = header.map((_, column) => (column === 0 ? '---' : '---:'));
  return [header, rule, ...rows].map(line).join('\n');
}

/** `1.62× (≥ 1.5×: met)` */
export const atLeast = (ratio: number, target: number): string =>
  `${ratio.toFixed(2)}× (≥ ${target}×: ${ratio >= target ? 'met' : 'missed'})`;

/** `1.62× (≤ 2×: met)` */
export const atMost = (ratio: number, target: number): string =>
  `${ratio.toFixed(2)}× (≤ ${target}×: ${ratio <= target ? 'met' : 'missed'})`;

/** Replaces what stands between the section's two marks. */
export function writeSection(name: string, text: string): void {
  const file = join(packageRoot, 'docs/benchmarks.md');
  const begin = `<!-- ${name}: begin -->`;
  const end = `<!-- ${name}: end -->`;
  const page = readFileSync(file, 'utf8');
  const [head, rest] = page.split(begin);
  const tail = rest?.split(end)[1];
  if (head === undefined || tail === undefined) throw new Error(`${file} has no section for this benchmark`);
  writeFileSync(file, `${head}${begin}\n${text}\n${end}${tail}`);
}
