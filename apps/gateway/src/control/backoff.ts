/** How long to wait before the next try: doubling up to a bound, and spread, so that many gateways do not return in step. */

const baseMs = 200;
const maxMs = 5_000;

/** @param failures in a row so far, at least 1 */
export function backoffMs(failures: number, random: () => number): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 10));
  return ceiling / 2 + (random() * ceiling) / 2;
}
