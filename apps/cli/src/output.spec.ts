import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SluiceClientError } from '#client/client';
import { UsageError, exitCodeOf } from './exit-code.js';
import { failureText, fields, printable, table } from './output.js';

const io = { stdout: () => undefined, stderr: () => undefined, colour: false };
const escape = '\u{1b}[31m';

describe('what is shown', () => {
  it('is aligned, and coloured for terminals only', () => {
    const rows = [
      ['node-1', 'READY'],
      ['n', 'LOST'],
    ];
    expect(table(io, ['NODE', 'STATE'], rows)).toBe('NODE     STATE\nnode-1   READY\nn        LOST\n');
    expect(table({ ...io, colour: true }, ['NODE', 'STATE'], rows)).toContain('\u{1b}[32mREADY\u{1b}[0m');
    expect(
      fields(io, [
        ['a', 'b'],
        ['long', 'c'],
      ]),
    ).toBe('a      b\nlong   c\n');
  });

  it('commands no terminal, whatever names there are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const shown = table(io, ['NAME'], [[name + escape]]) + fields(io, [['name', name + escape]]);
        expect(shown.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        expect(shown.match(/\n/g)).toHaveLength(3);
      }),
    );
    expect(printable('größe 模型 🙂')).toBe('größe 模型 🙂');
  });
});

describe('a failure', () => {
  const problem = {
    type: 'about:blank',
    title: 'The quota does not exist',
    status: 404,
    code: 'QUOTA_NOT_FOUND',
    detail: `There is no quota ${escape}`,
    retryable: false,
    request_id: 'r-1',
  } as const;
  const error = new SluiceClientError(404, 'QUOTA_NOT_FOUND', 'no', problem);

  it('says code, cause and request', () => {
    expect(failureText(error, false)).toBe(
      'sluice: QUOTA_NOT_FOUND: There is no quota \u{fffd}[31m\n  request r-1\n',
    );
    expect(JSON.parse(failureText(error, true))).toEqual(problem);
    expect(JSON.parse(failureText(new Error('x'), true))).toEqual({ detail: 'x' });
  });

  it.each([
    [400, 2],
    [401, 4],
    [403, 4],
    [404, 3],
    [409, 5],
    [412, 5],
    [428, 5],
    [429, 1],
    [503, 1],
    [0, 1],
  ])('of status %d ends with %d', (status, code) => {
    expect(exitCodeOf(new SluiceClientError(status, undefined, 'no'))).toBe(code);
  });

  it('of the line itself ends with 2, of anything else with 1', () => {
    expect([exitCodeOf(new UsageError('no')), exitCodeOf(new Error('no'))]).toEqual([2, 1]);
  });
});
