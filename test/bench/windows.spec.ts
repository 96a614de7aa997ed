import { describe, expect, it } from 'vitest';
import type { Measured } from './processes.js';
import { byTurns, medianRatio, medians } from './windows.js';

const measured = (perSecond: number): Measured => ({
  answered: 1,
  requests: 1,
  seconds: 1,
  p50Ms: 1,
  p95Ms: 2,
  p99Ms: 3,
  perSecond,
  machineBusy: 1,
  cpuUsPerRequest: { front: perSecond, runner: 1 },
});

describe('windows', () => {
  it('are taken by turns, every other round backwards', async () => {
    const order: string[] = [];
    const window = (name: string, perSecond: number) => () => {
      order.push(name);
      return Promise.resolve(measured(perSecond));
    };
    const [first, second] = await byTurns([window('a', 10), window('b', 20)], 3);
    expect(order.join('')).toBe('abbaab');
    expect([first?.length, second?.length]).toEqual([3, 3]);
    expect(second?.[0]?.perSecond).toBe(20);
  });

  it('give medians, and ratios of neighbours in time', () => {
    const [slow, fast] = [[1, 100, 3].map(measured), [2, 50, 12].map(measured)];
    expect(medians(slow)).toMatchObject({ perSecond: 3, cpuUs: 4, p99Ms: 3 });
    expect(medianRatio(slow, fast, ({ perSecond }) => perSecond)).toBe(0.5);
  });
});
