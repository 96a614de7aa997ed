import { expect, it } from 'vitest';
import { countFailure } from './count-failure.js';

it('failures count on while the part fails young, and begin anew once it has proved itself', () => {
  expect(countFailure(0, 0)).toBe(1);
  expect(countFailure(4, 29_999)).toBe(5);
  expect(countFailure(4, 30_000)).toBe(1);
});
