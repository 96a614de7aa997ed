import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { LatencyWindow } from './latency-window.js';

it('has the asked share of the latest latencies at or below its quantile', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1e4, noNaN: true }), { minLength: 20, maxLength: 600 }),
      (all) => {
        const window = new LatencyWindow(0.95);
        for (const latency of all) window.add(latency);
        const latest = all.slice(-256);
        const quantile = window.quantileMs() ?? NaN;
        const below = latest.filter((latency) => latency <= quantile).length / latest.length;
        const above = latest.filter((latency) => latency > quantile).length / latest.length;
        return latest.includes(quantile) && below >= 0.95 && above <= 0.05;
      },
    ),
  );
});

it('says nothing before it knows enough, and follows what changes', () => {
  const window = new LatencyWindow(0.95);
  for (let i = 0; i < 19; i += 1) window.add(1);
  expect(window.quantileMs()).toBeUndefined();
  window.add(1);
  expect(window.quantileMs()).toBe(1);
  for (let i = 0; i < 256; i += 1) window.add(50);
  expect(window.quantileMs()).toBe(50);
});
