import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { zeros } from '../tensor.js';
import type { Tensor } from '../tensor.js';
import { CostTable, batchSizes } from './cost-table.js';
import { CostTables } from './cost-tables.js';
import { gather, inOrder } from './gather.js';
import { joinRows, sliceRows, splitRows } from './rows.js';

const tensor = (rows: number, from: number): Tensor => ({
  name: 'x',
  datatype: 'FP32',
  shape: [rows, 2],
  elements: Float32Array.from({ length: rows * 2 }, (_, index) => from + index),
});

describe('rows', () => {
  it('come back to each member as they were joined', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(sizes, (rows) => {
        const members = rows.map((count, index) => [tensor(count, index * 100)]);
        expect(splitRows(joinRows(members), rows)).toEqual(members);
      }),
    );
  });

  it('of texts join as well', () => {
    const text = (value: string): Tensor => ({ name: 't', datatype: 'BYTES', shape: [1], elements: [value] });
    const joined = joinRows([[text('a')], [text('b')]]);
    expect(joined).toEqual([{ name: 't', datatype: 'BYTES', shape: [2], elements: ['a', 'b'] }]);
    expect(sliceRows(joined[0] ?? text(''), 1, 1)).toEqual(text('b'));
  });

  it('cannot be given back when an output has another number of them', () => {
    expect(splitRows([zeros({ name: 'sum', datatype: 'FP32', shape: [1, 2] })], [1, 1])).toBeUndefined();
  });
});

describe('gather', () => {
  const candidates = fc.array(
    fc.record({
      id: fc.nat(),
      key: fc.constantFrom('a', 'b', undefined),
      rows: fc.integer({ min: 1, max: 20 }),
      priority: fc.nat({ max: 3 }),
    }),
    { minLength: 1, maxLength: 30 },
  );

  it('takes the first in order, only its like, and no more rows than allowed', () => {
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 16 }), (waiting, maxRows) => {
        const ordered = inOrder(waiting);
        const members = gather(ordered, maxRows);
        expect(members[0]).toBe(ordered[0]);
        const rows = members.reduce((sum, member) => sum + member.rows, 0);
        expect(members.length === 1 || rows <= maxRows).toBe(true);
        expect(new Set(members.map(({ key }) => key)).size).toBe(1);
        expect(members.length === 1 || members[0]?.key !== undefined).toBe(true);
      }),
    );
  });

  it('serves higher priorities first and equals in the order they came', () => {
    const all = [0, 2, 1, 0, 1].map((priority, id) => ({ id, key: 'a', rows: 1, priority }));
    expect(inOrder(all).map(({ id }) => id)).toEqual([2, 4, 1, 0, 3]);
  });
});

describe('the cost table', () => {
  const table = (msOf: (rows: number) => number): CostTable =>
    new CostTable(batchSizes.map((rows) => ({ rows, ms: msOf(rows) })));

  it('batches as far as it pays, and not at all where it does not', () => {
    expect(table(() => 1).limit()).toBe(64);
    expect(table((rows) => rows).limit()).toBe(1);
    expect(table((rows) => rows ** 1.3).limit()).toBe(1);
    expect(table((rows) => (rows <= 8 ? 1 + rows / 8 : rows)).limit()).toBe(8);
  });

  it('never chooses a size that costs more per row than one', () => {
    const costs = fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), {
      minLength: batchSizes.length,
      maxLength: batchSizes.length,
    });
    fc.assert(
      fc.property(costs, (ms) => {
        const some = new CostTable(batchSizes.map((rows, index) => ({ rows, ms: ms[index] ?? 1 })));
        const limit = some.limit();
        expect(some.predictMs(limit) / limit).toBeLessThanOrEqual(some.predictMs(1));
      }),
    );
  });

  /** The sizes that a table chose while each of so many executions cost what `msOf` says. */
  const chosen = (costs: CostTable, executions: number, msOf: (rows: number) => number): number[] =>
    Array.from({ length: executions }, () => {
      const rows = costs.limit();
      costs.add({ rows, ms: msOf(rows) });
      return rows;
    });

  it('learns from traffic, and tries both neighbours now and then', () => {
    const drifting = table(() => 1);
    for (let run = 0; run < 3; run += 1) drifting.add({ rows: 64, ms: 1 });
    for (let run = 0; run < 50; run += 1) drifting.add({ rows: 64, ms: 640 });
    expect(drifting.limit()).toBe(48);
    const steps = (rows: number): number => (rows < 8 ? 8 : rows > 8 ? rows * 2 : 1);
    expect(new Set(chosen(table(steps), 600, steps))).toEqual(new Set([8, 12, 6]));
  });

  it('does not hold its first execution against a size', () => {
    const some = table(() => 1);
    for (const ms of [640, 1, 2]) some.add({ rows: 64, ms });
    expect(some.limit()).toBe(64);
    expect(some.predictMs(64)).toBe(2);
  });

  it('lets no single odd execution change its mind, but two in a row', () => {
    const some = table(() => 1);
    for (let run = 0; run < 40; run += 1) some.add({ rows: 64, ms: run % 2 === 0 ? 1 : 1_000 });
    expect(some.predictMs(64)).toBe(1);
    some.add({ rows: 64, ms: 1_000 });
    expect(some.predictMs(64)).toBeGreaterThan(1.1);
  });

  it('finds the best size of another shape than the warm-up measured, and tries none far above it', () => {
    const real = (rows: number): number => (rows <= 4 ? 20 + rows : rows * 20);
    const hint = batchSizes.map((rows) => ({ rows, ms: 1 + rows / 100 }));
    const sizes = chosen(new CostTable(hint, true), 100, real);
    expect(sizes.slice(-20)).toEqual(Array(20).fill(4));
    expect(Math.max(...sizes)).toBe(8);
  });

  it('comes within 5 % of the best size, whatever the curve and however noisy the machine', () => {
    // Cost per row: falling towards its best size, rising behind it.
    const curve = fc.record({
      best: fc.constantFrom(...batchSizes),
      falls: fc.double({ min: 0.05, max: 1, noNaN: true }),
      rises: fc.double({ min: 0.05, max: 1, noNaN: true }),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(curve, fc.boolean(), ({ best, falls, rises, seed }, isHint) => {
        const perRow = (rows: number): number =>
          rows <= best ? (best / rows) ** falls : (rows / best) ** rises;
        const lots = fc.sample(fc.noBias(fc.nat({ max: 99 })), { seed, numRuns: 2_000 });
        const some = new CostTable(
          batchSizes.map((rows) => ({ rows, ms: isHint ? 1 : rows * perRow(rows) })),
          isHint,
        );
        // One execution in fifty is interrupted for long; the others differ by up to a tenth.
        const sizes = chosen(some, 2_000, (rows) => {
          const lot = lots.shift() ?? 0;
          return rows * perRow(rows) * (lot >= 98 ? 50 : 1 + lot / 1_000);
        });
        const settled = sizes.slice(-1_000);
        const mean = settled.reduce((sum, rows) => sum + perRow(rows), 0) / settled.length;
        expect(mean).toBeLessThan(1.05);
      }),
      { numRuns: 150, seed: 1 },
    );
  });

  it('goes beyond what the warm-up measured when that pays', () => {
    const noisy = new CostTable([1, 2, 3].map((rows) => ({ rows, ms: rows })));
    expect(chosen(noisy, 2_000, (rows) => 10 + rows).slice(-15)).toEqual(Array(15).fill(64));
    const warm = new CostTable([1, 2, 3].map((rows) => ({ rows, ms: rows })));
    expect(new Set(chosen(warm, 2_000, (rows) => (rows <= 4 ? 10 : 10 * rows)).slice(-100))).toEqual(
      new Set([4]),
    );
  });

  it('tries the neighbours again as soon as the chosen size has drifted', () => {
    const steady = (rows: number): number => (rows <= 8 ? 8 : rows * 2);
    const some = table(steady);
    chosen(some, 600, steady);
    const quicker = (rows: number): number => (rows <= 8 ? 4 : rows / 4);
    const sizes = chosen(some, 40, quicker);
    expect(sizes.indexOf(12)).toBeLessThan(25);
    expect(sizes.at(-1)).toBeGreaterThan(8);
    const slower = (rows: number): number => (rows <= 2 ? 2 : rows * 20);
    expect(chosen(some, 200, slower).at(-1)).toBe(2);
  });

  it('learns from executions between two sizes too', () => {
    const some = table((rows) => rows);
    for (let run = 0; run < 3; run += 1) some.add({ rows: 8, ms: 8 });
    for (let run = 0; run < 50; run += 1) some.add({ rows: 9, ms: 11 });
    expect(some.predictMs(9)).toBeGreaterThan(10);
    expect(some.predictMs(9)).toBeLessThan(12);
    expect(some.predictMs(16)).toBe(16);
  });

  it('predicts between and beyond what was measured', () => {
    const some = new CostTable([
      { rows: 4, ms: 4 },
      { rows: 2, ms: 3 },
    ]);
    expect([1, 2, 3, 4, 8].map((rows) => some.predictMs(rows))).toEqual([3, 3, 3.5, 4, 8]);
  });
});

describe('cost tables', () => {
  it('keep kinds apart, start each from the warm-up, and forget the first kind when there are too many', () => {
    const tables = new CostTables([
      { rows: 1, ms: 1 },
      { rows: 2, ms: 1 },
    ]);
    tables.of('large').add({ rows: 2, ms: 50 });
    for (let run = 0; run < 3; run += 1) tables.of('large').add({ rows: 1, ms: 20 });
    expect(tables.of('large').limit()).toBe(1);
    expect(tables.of('small').limit()).toBe(2);
    for (let kind = 0; kind < 63; kind += 1) tables.of(`kind ${kind}`);
    expect(tables.of('large').limit()).toBe(2);
  });
});
