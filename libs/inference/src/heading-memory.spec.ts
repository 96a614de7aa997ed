import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Signature } from '#contracts/tensors';
import { encodeBinary } from './binary-tensors.js';
import { createDecoder } from './codec.js';

const label = { model: 'm', version: '1' };
const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
};
const singles = (values: readonly number[]): Buffer => encodeBinary({ elements: Float32Array.from(values) });
const input = (name: string, size: number): object => ({
  name,
  datatype: 'FP32',
  shape: [size],
  parameters: { binary_data_size: size * 4 },
});

describe('headings that come again', () => {
  const headings = [
    { inputs: [input('x', 2)] },
    { inputs: [input('x', 1)], parameters: { binary_data_output: true, priority: 3 } },
    { inputs: [input('x', 2)], outputs: [{ name: 'y', parameters: { binary_data: true } }] },
    { id: 'a', inputs: [input('x', 2)] },
    { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [7] }] },
    { inputs: [input('x', 3)] },
    { inputs: [input('wrong', 2)] },
    ...Array.from({ length: 9 }, (_, index) => ({ inputs: [input('x', 1)], extra: index })),
  ];

  it('mean what they meant the first time, whatever came between and follows them', () => {
    const pick = fc.record({ heading: fc.constantFrom(...headings), values: fc.array(fc.float(), { maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(pick, { maxLength: 40 }), (requests) => {
        const remembering = createDecoder(signature, label);
        for (const { heading, values } of requests) {
          const json = Buffer.from(JSON.stringify(heading));
          const body = Buffer.concat([json, singles(values)]);
          const outcome = (decode: typeof remembering): unknown => {
            try {
              const request = decode('oip', body, json.length);
              const [x] = request.inputs;
              const { outputs, priority, timeoutUs } = request;
              const bits = x && encodeBinary(x);
              return { outputs, priority, timeoutUs, bits, answer: x && request.encode([{ ...x, name: 'y' }]) };
            } catch (error) {
              return String(error);
            }
          };
          expect(outcome(remembering)).toEqual(outcome(createDecoder(signature, label)));
        }
      }),
      { numRuns: 200 },
    );
  });
}); // prettier-ignore
