import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Signature } from '#contracts/tensors';
import { createDecoder } from './codec.js';
import { TensorError } from './errors.js';
import { elementCount } from './tensor.js';
import { protocols } from './request.js';

const signature: Signature = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [-1, 2] },
    { name: 'n', datatype: 'INT64', shape: [-1] },
    { name: 's', datatype: 'BYTES', shape: [-1] },
  ],
  outputs: [
    { name: 'y', datatype: 'FP32', shape: [-1, 2] },
    { name: 'label', datatype: 'INT64', shape: [-1] },
  ],
};
const decode = createDecoder(signature, { model: 'm', version: '1' });

const x = { name: 'x', datatype: 'FP32', shape: [2, 2] };
const n = { name: 'n', datatype: 'INT64', shape: [2] };
const s = { name: 's', datatype: 'BYTES', shape: [2], data: ['a', 'ä\n'] };
const sized = (bytes: number): object => ({ parameters: { binary_data_size: bytes } });
const json = JSON.stringify({
  id: '1',
  parameters: { priority: 1, timeout: 1_000, binary_data_output: true },
  inputs: [{ ...x, data: [[1.5, -2e-3], [0.1234567890123456, 4]] }, { ...n, data: [1, 9e15] }, s],
  outputs: [{ name: 'y', parameters: { classification: 2, binary_data: false } }],
}); // prettier-ignore
const header = JSON.stringify({ inputs: [{ ...x, ...sized(16) }, { ...n, ...sized(16) }, s] });
const rows = JSON.stringify({
  signature_name: 'serving_default',
  instances: [{ x: [1, 2], n: 3, s: { b64: 'YQ==' } }, { x: [1, 2], n: 4, s: 'b' }],
}); // prettier-ignore
const examples = JSON.stringify({
  context: { s: 'a' },
  examples: [
    { x: [1, 2], n: 3 },
    { x: [3, 4], n: 1 },
  ],
});

interface Attack {
  readonly body: Buffer;
  readonly headerLength: number | undefined;
}
const seeds: readonly Attack[] = [
  { body: Buffer.from(json), headerLength: undefined },
  { body: Buffer.concat([Buffer.from(header), Buffer.alloc(32, 7)]), headerLength: header.length + 1 },
  { body: Buffer.from(rows), headerLength: undefined },
  { body: Buffer.from(examples), headerLength: undefined },
];

const tokens = ['{', '}', '[', ']', ',', ':', '"', '\\', '\\u0000', 'NaN', '-', '1e999', '-0', '0', '.', 'null', 'true', '18446744073709551616', '[[[[', '"x"', '"shape":[99999999999,2]', '1e9', '\u0000', '\u00ff']; // prettier-ignore
/** Cuts, doubles, overwrites and inserts at any place. */
const mutation = fc.record({
  at: fc.nat(400),
  drop: fc.nat(12),
  insert: fc.oneof(fc.constantFrom(...tokens).map((token) => Buffer.from(token)), fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes))),
  copy: fc.nat(30),
}); // prettier-ignore
const attack = fc
  .record({
    seed: fc.constantFrom(...seeds),
    mutations: fc.array(mutation, { minLength: 0, maxLength: 4 }),
    shift: fc.oneof(fc.constant(0), fc.integer({ min: -400, max: 40 })),
  })
  .map(({ seed, mutations, shift }): Attack => {
    let { body } = seed;
    for (const { at, drop, insert, copy } of mutations) {
      const start = at % (body.length + 1);
      const rest = body.subarray(start + drop);
      body = Buffer.concat([body.subarray(0, start), insert, body.subarray(start, start + copy), rest]);
    }
    const headerLength = seed.headerLength === undefined ? undefined : Math.max(0, seed.headerLength + shift);
    return { body, headerLength };
  });

describe('10,000 hostile bodies', () => {
  it('are read in full or refused with a TensorError, and leave the decoder as it was', () => {
    let slowestMs = 0;
    let accepted = 0;
    fc.assert(
      fc.property(attack, fc.constantFrom(...protocols), ({ body, headerLength }, protocol) => {
        const start = performance.now();
        try {
          const { inputs } = decode(protocol, body, headerLength);
          accepted += 1;
          expect(inputs.map(({ name }) => name)).toEqual(['x', 'n', 's']);
          for (const { shape, elements } of inputs) expect(elements.length).toBe(elementCount(shape));
        } catch (error) {
          if (!(error instanceof TensorError)) throw error;
          expect(error.message.length).toBeLessThan(2_000);
        }
        slowestMs = Math.max(slowestMs, performance.now() - start);
      }),
      { numRuns: 10_000 },
    );
    expect(slowestMs).toBeLessThan(500);
    expect(accepted).toBeGreaterThan(0);
    expect(decode('oip', Buffer.from(json), undefined).inputs).toHaveLength(3);
  });

  it('cost no more than their size, however large they say they are', () => {
    const large = (data: string): Buffer =>
      Buffer.from(`{"inputs":[{"name":"x","datatype":"FP32","shape":[67108864,2],"data":${data}}]}`);
    const before = process.memoryUsage().arrayBuffers;
    for (const data of ['[]', '[1,2]', '[[1,2]]'])
      expect(() => decode('oip', large(data), undefined)).toThrow(/shape \[67108864, 2\] needs 134217728/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
    expect(() => decode('oip', large(`[${'1,'.repeat(500_000)}1]`), undefined)).toThrow(/data has 500001 elements/);
    expect(() => decode('oip', Buffer.from('['.repeat(5e6)), undefined)).toThrow(/nests deeper than 100/);
    expect(() => decode('predict', Buffer.from(`{"inputs":${'['.repeat(5e6)}`), undefined)).toThrow(TensorError);
  }); // prettier-ignore
});

describe('limits', () => {
  const label = { model: 'm', version: '1' };
  it('are checked once, and hold', () => {
    expect(() => createDecoder(signature, label, { maxDepth: 0 })).toThrow();
    const strict = createDecoder(signature, label, { maxDepth: 8, maxElements: 3 });
    expect(() => strict('oip', Buffer.from(json), undefined)).toThrow(/'x': shape \[2, 2\] is too large/);
    expect(() => strict('predict', Buffer.from(rows), undefined)).toThrow(/'x'.* 3 elements/);
    expect(() => strict('oip', Buffer.from(`{"a":${'['.repeat(8)}`), undefined)).toThrow(/deeper than 8/);
  });
});
