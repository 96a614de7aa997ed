import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeInferHead,
  decodeResultHead,
  encodeInferHead,
  encodeResultHead,
  inferHeadBytes,
  protocols,
  resultHeadBytes,
} from './messages.js';

const u32 = fc.nat({ max: 0xffff_ffff });
/** The largest value stands for "absent". */
const headerLength = fc.option(fc.nat({ max: 0xffff_fffe }), { nil: undefined });
const submittedMs = fc.double({ noNaN: true });
const us = fc.float({ min: 0, noNaN: true });

describe('the heads of frames', () => {
  it('of requests come back as they were written', () => {
    const heads = fc.record({
      submittedMs,
      timeoutMs: u32,
      protocol: fc.constantFrom(...protocols),
      headerLength,
    });
    fc.assert(
      fc.property(heads, fc.uint8Array({ maxLength: 8 }), (head, body) => {
        const bytes = encodeInferHead(head);
        expect(bytes).toHaveLength(inferHeadBytes);
        expect(decodeInferHead(Buffer.concat([bytes, body]))).toEqual(head);
      }),
    );
  });

  it('round a time up, never below zero and never beyond their 32 bits', () => {
    const timeoutMs = (ms: number): number =>
      decodeInferHead(encodeInferHead({ submittedMs: 0, timeoutMs: ms, protocol: 'oip', headerLength: 0 }))
        .timeoutMs;
    expect([0.2, -3, 2 ** 40].map(timeoutMs)).toEqual([1, 0, 0xffff_ffff]);
  });

  it('of results come back as they were written', () => {
    const heads = fc.record({
      headerLength,
      rows: u32,
      batchRows: u32,
      items: u32,
      computeUs: us,
      queueUs: us,
      inputUs: us,
      inferUs: us,
      outputUs: us,
    });
    fc.assert(
      fc.property(heads, fc.uint8Array({ maxLength: 8 }), (head, body) => {
        const bytes = encodeResultHead(head);
        expect(bytes).toHaveLength(resultHeadBytes);
        expect(decodeResultHead(Buffer.concat([bytes, body]))).toEqual(head);
      }),
    );
  });
});
