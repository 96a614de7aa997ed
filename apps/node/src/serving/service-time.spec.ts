import { expect, it } from 'vitest';
import { ServiceTime } from './service-time.js';

const answer = (batchRows: number, inferUs: number) => ({
  rows: 1,
  batchRows,
  items: 1,
  computeUs: 0,
  queueUs: 0,
  inputUs: 500,
  inferUs,
  outputUs: 500,
});

it('is unknown before the first execution is complete', () => {
  const time = new ServiceTime();
  time.add(answer(1, 9_000));
  expect(time.perRequestMs).toBe(0);
});

it('is the share of a request in its batch', () => {
  const time = new ServiceTime();
  for (let execution = 0; execution < 3; execution += 1)
    for (let member = 0; member < 4; member += 1) time.add(answer(member === 0 ? 4 : 0, 8_000));
  expect(time.perRequestMs).toBeCloseTo(3);
});

it('follows a model that becomes slower', () => {
  const time = new ServiceTime();
  for (let i = 0; i < 10; i += 1) time.add(answer(1, 1_000));
  expect(time.perRequestMs).toBeCloseTo(2);
  for (let i = 0; i < 60; i += 1) time.add(answer(1, 49_000));
  expect(time.perRequestMs).toBeGreaterThan(49);
});
