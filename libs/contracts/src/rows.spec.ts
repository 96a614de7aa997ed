import fc from 'fast-check';
import { expect, it } from 'vitest';
import { leastRowBytes } from './rows.js';

const size = fc.integer({ min: 1, max: 4 });
const sample = { FP32: 0, INT64: 7, BOOL: true, BYTES: '' } as const;
const datatype = fc.constantFrom('FP32' as const, 'INT64' as const, 'BOOL' as const, 'BYTES' as const);

it('no body has more rows than its bytes have room for', () => {
  const inputs = fc.array(fc.record({ datatype, inner: fc.array(size, { maxLength: 2 }) }), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(inputs, fc.integer({ min: 1, max: 50 }), (specs, rows) => {
      const tensors = specs.map(({ datatype: type, inner }, n) => ({
        name: `x${n}`,
        datatype: type,
        shape: [rows, ...inner],
        data: Array.from({ length: rows * inner.reduce((a, b) => a * b, 1) }, () => sample[type]),
      }));
      const signature = tensors.map(({ name, datatype: type, shape }) => ({
        name,
        datatype: type,
        shape: [-1, ...shape.slice(1)],
      }));
      const least = leastRowBytes({ inputs: signature, outputs: [] }) ?? 0;
      expect(Math.floor(JSON.stringify({ inputs: tensors }).length / least)).toBeGreaterThanOrEqual(rows);
      // The barest that the protocols allow: each element one byte when binary, two with its comma, an empty text three.
      expect(JSON.stringify(tensors.map(({ data }) => data)).length + 1).toBeGreaterThanOrEqual(least * rows);
    }),
  );
});

it('a model whose leading dimensions are fixed has no rows', () => {
  const input = (shape: number[]) => ({ name: 'x', datatype: 'FP32' as const, shape });
  expect(leastRowBytes({ inputs: [input([1, 4])], outputs: [] })).toBeNull();
  expect(leastRowBytes({ inputs: [input([-1, 4]), input([4])], outputs: [] })).toBeNull();
  expect(leastRowBytes({ inputs: [input([-1, -1, 4])], outputs: [] })).toBe(8);
});
