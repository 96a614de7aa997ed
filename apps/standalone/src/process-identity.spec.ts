import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { identify, isAlive, isSameProcess, parseStat } from './process-identity.js';

it('reads state and start time past a command name with spaces and parentheses', () => {
  const fields = ['S', ...Array.from({ length: 18 }, (_, index) => String(index)), '4711', '0'];
  expect(parseStat(`12 (a (b) c) ${fields.join(' ')}`)).toEqual({
    command: 'a (b) c',
    state: 'S',
    started: '4711',
  });
  expect(parseStat('')).toBeUndefined();
});

it('knows itself, and another process under the same number', () => {
  const self = identify(process.pid);
  expect(isSameProcess(self)).toBe(true);
  expect(isSameProcess({ pid: self.pid, started: 'another time' })).toBe(false);
});

it('knows that a process has ended', async () => {
  const child = spawn(process.execPath, ['-e', '0']);
  const known = identify(child.pid ?? 0);
  await once(child, 'exit');
  expect(isSameProcess(known)).toBe(false);
  expect(isAlive(known.pid)).toBe(false);
});
