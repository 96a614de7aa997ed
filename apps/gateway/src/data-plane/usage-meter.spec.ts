import { expect, it } from 'vitest';
import { UsageMeter } from './usage-meter.js';

it('sums by hour, caller, endpoint, version and outcome', () => {
  const meter = new UsageMeter();
  const used = { team: 'default', client: 'shop', endpoint: 'iris', version: 1, outcome: 'OK' } as const;
  const hourMs = 3_600_000;
  meter.add(used, 5 * hourMs - 1, 10, 20, 1.5);
  meter.add(used, 5 * hourMs, 10, 20, 1.5);
  meter.add(used, 5 * hourMs + 1, 30, 40, 0.25);
  meter.add({ ...used, version: 2 }, 5 * hourMs + 2, 1, 1, 0);
  expect(
    meter.drain().map((row) => [row.hour, row.version, row.requests, row.request_bytes, row.node_us]),
  ).toEqual([
    ['1970-01-01T04:00:00.000Z', 1, 1, 10, 1_500],
    ['1970-01-01T05:00:00.000Z', 1, 2, 40, 1_750],
    ['1970-01-01T05:00:00.000Z', 2, 1, 1, 0],
  ]);
  expect(meter.drain()).toEqual([]);
});
