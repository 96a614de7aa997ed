import type { RouteSpec } from '#contracts/route';
import { SluiceError } from '#platform/errors';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseInput } from './input.decorator.js';

const spec: RouteSpec = {
  method: 'POST',
  path: '/x/{id}',
  summary: '',
  access: 'open',
  status: 200,
  params: z.object({ id: z.uuid() }),
  query: z.strictObject({ size: z.coerce.number().int().max(10).default(5) }),
  body: z.strictObject({ status: z.enum(['DONE']).default('DONE') }),
};
const id = '01a20ae0-988f-7488-9506-19d17f9612bd';

describe('parseInput', () => {
  it('gives parsed and defaulted values', () => {
    const input = parseInput(spec, { params: { id }, query: { size: '7' }, body: {} });
    expect(input).toEqual({ params: { id }, query: { size: 7 }, body: { status: 'DONE' } });
  });

  it('takes an absent body for an empty one, but null for what it is', () => {
    expect(parseInput(spec, { params: { id }, query: {}, body: undefined }).body).toEqual({ status: 'DONE' });
    expect(() => parseInput(spec, { params: { id }, query: {}, body: null })).toThrow(SluiceError);
  });

  it('reports the wrong fields of all parts at once', () => {
    const bad = { params: { id: '1' }, query: { size: '99' }, body: { status: 'NO', more: 1 } };
    const failure = ((): unknown => {
      try {
        return parseInput(spec, bad);
      } catch (error) {
        return error;
      }
    })();
    if (!(failure instanceof SluiceError)) throw new Error('was not refused');
    expect(failure.code).toBe('INVALID_REQUEST');
    expect(failure.fields?.map(({ path }) => path)).toEqual([
      'params.id',
      'query.size',
      'body.status',
      'body',
    ]);
  });

  it('leaves out what the route does not have', () => {
    const { body: _, ...bodiless } = spec;
    const input = parseInput(bodiless, { params: { id }, query: {}, body: { a: 1 } });
    expect(input.body).toBeUndefined();
  });
});
