import { SluiceError } from '#platform/errors';
import { NotFoundException } from '@nestjs/common';
import { QueryFailedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { toSluiceError } from './error-mapping.js';

const withFields = (fields: object): Error => Object.assign(new Error('internal detail'), fields);
const queryFailed = (code: string): Error => new QueryFailedError('SELECT 1', [], withFields({ code }));

describe('toSluiceError', () => {
  it.each([
    ['a Nest 404', new NotFoundException(), 'NOT_FOUND'],
    [
      'a body over the limit',
      withFields({ code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 }),
      'PAYLOAD_TOO_LARGE',
    ],
    [
      'a refused connection',
      withFields({ code: 'ECONNREFUSED', syscall: 'connect' }),
      'DATABASE_UNAVAILABLE',
    ],
    ['a database that ends', queryFailed('57P01'), 'DATABASE_UNAVAILABLE'],
    ['a deadlock', queryFailed('40P01'), 'DATABASE_UNAVAILABLE'],
    [
      'a pool that is exhausted',
      new Error('timeout exceeded when trying to connect'),
      'DATABASE_UNAVAILABLE',
    ],
    ['a zero byte', queryFailed('22021'), 'INVALID_REQUEST'],
    ['a wrong statement', queryFailed('42703'), 'INTERNAL'],
    ['a bug', new TypeError('x is undefined'), 'INTERNAL'],
    ['a library that claims a status', withFields({ statusCode: 404 }), 'INTERNAL'],
    ['a thrown text', 'boom', 'INTERNAL'],
    ['undefined', undefined, 'INTERNAL'],
  ])('makes %s %s', (_, thrown, code) => {
    const error = toSluiceError(thrown);
    expect(error.code).toBe(code);
    expect(error.cause).toBe(thrown);
    expect(error.detail).not.toContain('internal detail');
  });

  it('leaves our own errors as they are', () => {
    const error = new SluiceError('MODEL_NOT_FOUND', 'There is no model x.');
    expect(toSluiceError(error)).toBe(error);
  });
});
