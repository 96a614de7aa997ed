/**
 * Contenders measured by turns in short windows: what else the machine does meets all of them alike, and a figure is the
 * median of its windows. Ratios are taken window by window, between neighbours in time.
 */
import type { Measured } from './processes.js';
import { median } from './quantiles.js';

/** Measures one window. @param round from 0: all contenders may be given the same requests in one round */
export type Window = (round: number) => Promise<Measured>;

/** The windows of each contender, `rounds` of them. Every other round runs backwards, so that nobody is always first. */
export async function byTurns(contenders: readonly Window[], rounds: number): Promise<Measured[][]> {
  const windows: Measured[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    const order = [...contenders.entries()];
    if (round % 2 === 1) order.reverse();
    for (const [index, window] of order) windows[index]?.push(await window(round));
  }
  return windows;
}

export const totalCpuUs = ({ cpuUsPerRequest }: Measured): number =>
  Object.values(cpuUsPerRequest).reduce((sum, us) => sum + us, 0);

export interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
  readonly machineBusy: number;
}

/** The median of each figure by itself. */
export function medians(windows: readonly Measured[]): Figures {
  const of = (value: (one: Measured) => number): number => median(windows.map(value));
  return {
    perSecond: of(({ perSecond }) => perSecond),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p95Ms: of(({ p95Ms }) => p95Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    cpuUs: of(totalCpuUs),
    machineBusy: of(({ machineBusy }) => machineBusy),
  };
}

/** The median of the ratios of windows that were neighbours. */
export const medianRatio = (
  ours: readonly Measured[],
  theirs: readonly Measured[],
  value: (one: Measured) => number,
): number =>
  median(ours.map((one, round) => value(one) / (theirs[round] ? value(theirs[round]) : Number.NaN)));
