import { describe, expect, it } from 'vitest';
import { exitReason, isTrace, readLogLine } from './log-line.js';

describe('readLogLine', () => {
  it('takes level, message and error out of a JSON line', () => {
    const line =
      '{"level":"error","time":"2026-01-01T00:00:00Z","msg":"closing failed","err":{"message":"no route"}}';
    expect(readLogLine(line)).toEqual({ severity: 'error', text: 'closing failed: no route' });
    expect(readLogLine('{"level":"warn","msg":"slow"}').severity).toBe('warning');
    expect(readLogLine('{"level":"info","msg":"listening"}')).toEqual({
      severity: 'quiet',
      text: 'listening',
    });
  });

  it('takes the text out of a PostgreSQL line and raises what concerns the server', () => {
    const at = '2026-01-01 00:00:00.000 UTC [12]';
    expect(readLogLine(`${at} PANIC:  could not write`)).toEqual({
      severity: 'error',
      text: 'could not write',
    });
    expect(readLogLine(`${at} FATAL:  the database system is starting up`)).toEqual({
      severity: 'quiet',
      text: 'the database system is starting up',
    });
  });

  it('leaves other text as it is, within bounds', () => {
    expect(readLogLine('  {not json')).toEqual({ severity: 'quiet', text: '{not json' });
    expect(readLogLine('x'.repeat(10_000)).text).toHaveLength(300);
  });
});

describe('exitReason', () => {
  it('says how it ended and what it said last', () => {
    expect(exitReason(1, null, 'port taken')).toBe('exit code 1: port taken');
    expect(exitReason(null, 'SIGKILL', undefined)).toBe('killed by SIGKILL');
  });
});

it('finds the message in the output of a crash', () => {
  const crash = `node:internal/modules/cjs/loader:1210
  throw err;
  ^

Error: Cannot find module '/x.js'
    at Module._load (node:internal/modules/cjs/loader:1038:27) {
  code: 'MODULE_NOT_FOUND',
  requireStack: []
}

Node.js v20.20.2`;
  expect(crash.split('\n').filter((line) => !isTrace(line))).toEqual(["Error: Cannot find module '/x.js'"]);
});
