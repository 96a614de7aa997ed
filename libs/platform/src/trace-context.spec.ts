import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beginTrace, parseTraceparent, saneTracestate, traceparentOf } from './trace-context.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const parentId = 'b7ad6b7169203331';
const valid = `00-${traceId}-${parentId}-01`;

describe('traceparent', () => {
  it.each([
    [valid, true],
    [`00-${traceId}-${parentId}-00`, false],
    [`00-${traceId}-${parentId}-03`, true],
    [`cc-${traceId}-${parentId}-01-what-comes-later`, true],
  ])('%s is taken', (header, isSampled) => {
    expect(parseTraceparent(header)).toEqual({ traceId, parentId, isSampled });
  });

  it.each([
    '',
    `${valid}-more`,
    `ff-${traceId}-${parentId}-01`,
    `00-${'0'.repeat(32)}-${parentId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${parentId}-01`,
    `00-${traceId}-${parentId}`,
    `00-${traceId}-${parentId}-0x`,
    `cc-${traceId}-${parentId}-01.later`,
    ` ${valid}`,
    undefined,
    [valid, valid],
  ])('%j is not', (header) => expect(parseTraceparent(header)).toBeUndefined());

  it('any text gives a trace whose own header is valid', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constant(valid)), fc.boolean(), (header, isChosen) => {
        const trace = beginTrace(header, isChosen);
        expect(parseTraceparent(traceparentOf(trace))).toEqual({
          traceId: trace.traceId,
          parentId: trace.spanId,
          isSampled: header === valid || isChosen,
        });
      }),
    );
  });
});

describe('tracestate', () => {
  const inTrace = beginTrace(valid, false);

  it('is passed on with a valid traceparent', () => {
    expect(saneTracestate('congo=t61rcWkgMzE,rojo=00f067aa0ba902b7', inTrace)).toMatch(/^congo/);
  });

  it.each([
    ['alone', beginTrace(undefined, false), 'a=b'],
    ['too long', inTrace, `a=${'x'.repeat(600)}`],
    ['too many', inTrace, 'a=b,'.repeat(40)],
    ['not text', inTrace, 'a=\u0001'],
  ])('%s is not', (_, trace, header) => expect(saneTracestate(header, trace)).toBeUndefined());
});
