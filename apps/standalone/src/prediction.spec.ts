import { describe, expect, it } from 'vitest';
import { compareAnswer, inferPath } from './prediction.js';

const expected = {
  version: 2,
  path: '',
  description: '',
  accuracy: 1,
  label: [2, 0],
  probabilities: [
    [0.1, 0.2, 0.7],
    [0.8, 0.1, 0.1],
  ],
};
const answer = { label: [2, 0], probabilities: [0.1, 0.2, 0.7, 0.8, 0.1, 0.1] };

describe('compareAnswer', () => {
  it('accepts the last bits to differ, and nothing more', () => {
    expect(compareAnswer(expected, answer)).toBeUndefined();
    expect(
      compareAnswer(expected, { ...answer, probabilities: [0.100001, 0.2, 0.7, 0.8, 0.1, 0.1] }),
    ).toBeUndefined();
    expect(compareAnswer(expected, { ...answer, probabilities: [0.101, 0.2, 0.7, 0.8, 0.1, 0.1] })).toContain(
      '0.101',
    );
  });

  it('refuses other labels, missing values and surplus values', () => {
    expect(compareAnswer(expected, { ...answer, label: [2, 1] })).toContain('labels 2,1');
    expect(compareAnswer(expected, { ...answer, probabilities: [] })).toContain('probabilities');
    expect(compareAnswer(expected, { ...answer, probabilities: [...answer.probabilities, 0] })).toContain(
      'probabilities',
    );
    expect(
      compareAnswer(expected, { ...answer, probabilities: answer.probabilities.map(() => Number.NaN) }),
    ).toBeDefined();
  });
});

it('addresses the endpoint or one version of it', () => {
  expect(inferPath('iris')).toBe('/v2/models/iris/infer');
  expect(inferPath('iris', 2)).toBe('/v2/models/iris/versions/2/infer');
});
