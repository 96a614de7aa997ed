import { expect, it } from 'vitest';
import { mergeActivity, nounOf } from './activity.js';

const common = { subject: 's', actor: 'a' };
const change = { ...common, number: 7, id: 'x', at: '2026-01-01T00:00:02Z', type: 'alias.set', data: 1 };
const entry = (id: string, at: string) => ({
  ...common,
  id,
  at,
  action: 'model.create',
  before: null,
  after: 2,
  request_id: null,
});

it('tells of each change once, newest first', () => {
  const merged = mergeActivity([change], [entry('x', change.at), entry('y', '2026-01-01T00:00:03Z')]);
  expect(merged.map(({ id, type }) => [id, nounOf(type)])).toEqual([
    ['y', 'model'],
    ['x', 'alias'],
  ]);
});
