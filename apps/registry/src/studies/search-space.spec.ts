import { SearchSpace } from '#contracts/studies';
import { describe, expect, it } from 'vitest';
import { outsideOf } from './search-space.js';

const space = SearchSpace.parse({
  lr: { type: 'float', low: 0.001, high: 1, log: true },
  layers: { type: 'int', low: 2, high: 10, step: 2 },
  optimizer: { type: 'categorical', choices: ['adam', 'sgd'] },
});

describe('a search space', () => {
  it.each([{}, { lr: '1e-3', layers: '2', optimizer: 'sgd', other: 'anything' }, { lr: '1', layers: '10' }])(
    'holds %j',
    (params) => {
      expect(outsideOf(space, params)).toBeUndefined();
    },
  );

  it.each([
    [{ lr: '0' }, 'from 0.001 to 1'],
    [{ lr: 'NaN' }, 'from 0.001 to 1'],
    [{ lr: ' ' }, 'from 0.001 to 1'],
    [{ layers: '3' }, 'by 2'],
    [{ layers: '12' }, 'from 2 to 10'],
    [{ optimizer: 'adamw' }, 'adam, sgd'],
  ])('does not hold %j', (params, reason) => {
    expect(outsideOf(space, params)).toContain(reason);
  });

  it.each([
    { lr: { type: 'float', low: 1, high: 0 } },
    { lr: { type: 'float', low: 0, high: 1, log: true } },
    { n: { type: 'int', low: 0.5, high: 1 } },
    { o: { type: 'categorical', choices: [] } },
    { 'a`b': { type: 'int', low: 0, high: 1 } },
    { o: { type: 'other' } },
  ])('is not %j', (given) => {
    expect(SearchSpace.safeParse(given).success).toBe(false);
  });
});
