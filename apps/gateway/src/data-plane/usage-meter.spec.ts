import { expect, it } from 'vitest';
import { UsageMeter } from './usage-meter.js';

it('sums by hour, caller, endpoint, version and outcome', () => {
  const meter = new UsageMeter();
  const used = { team: 'default', client: 'shop', endpoint: 'iris', version: 1, outcome: 'OK' } as const;
  const hourMs = 3_600_000;
  const amounts = (request_bytes: number, compute_us: number) => ({
    requests: 1,
    rows: 2,
    request_bytes,
    response_bytes: 20,
    compute_us,
  });
  meter.add(used, 5 * hourMs - 1, amounts(10, 1_500));
  meter.add(used, 5 * hourMs, amounts(10, 1_500));
  meter.add(used, 5 * hourMs + 1, amounts(30, 250));
  meter.add({ ...used, version: 2 }, 5 * hourMs + 2, amounts(1, 0));
  const { rows, served } = meter.drain();
  expect(served).toEqual({ requests: 4, rows: 8, request_bytes: 51, response_bytes: 80, compute_us: 3_250 });
  expect(rows.map((row) => [row.hour, row.version, row.requests, row.request_bytes, row.compute_us])).toEqual(
    [
      ['1970-01-01T04:00:00.000Z', 1, 1, 10, 1_500],
      ['1970-01-01T05:00:00.000Z', 1, 2, 40, 1_750],
      ['1970-01-01T05:00:00.000Z', 2, 1, 1, 0],
    ],
  );
  expect(meter.drain().rows).toEqual([]);
});
