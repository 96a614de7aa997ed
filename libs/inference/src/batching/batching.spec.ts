import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { zeros } from '../tensor.js';
import type { Tensor } from '../tensor.js';
import { CostTable, batchSizes } from './cost-table.js';
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

  it('learns from traffic, and tries the next size now and then', () => {
    const drifting = table(() => 1);
    for (let run = 0; run < 50; run += 1) drifting.add({ rows: 64, ms: 640 });
    expect(drifting.limit()).toBe(48);
    const probed = table((rows) => rows);
    const limits = new Set<number>();
    for (let run = 0; run < 300; run += 1) {
      limits.add(probed.limit());
      probed.add({ rows: 1, ms: 1 });
    }
    expect(limits).toEqual(new Set([1, 2]));
  });

  it('predicts between and beyond what was measured', () => {
    const some = new CostTable([
      { rows: 4, ms: 4 },
      { rows: 2, ms: 3 },
    ]);
    expect([1, 2, 3, 4, 8].map((rows) => some.predictMs(rows))).toEqual([3, 3, 3.5, 4, 8]);
    expect([1, 2, 3, 9].map((rows) => some.floor(rows))).toEqual([1, 2, 2, 4]);
  });
});
