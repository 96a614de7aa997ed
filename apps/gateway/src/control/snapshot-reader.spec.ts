import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Snapshot } from '#contracts/snapshot';
import { runAtOnce, runInSlices } from '#platform/time-slices';
import { JsonCursor } from './json-cursor.js';
import { SnapshotReader } from './snapshot-reader.js';

const snapshotOf = (names: readonly string[], timeoutMs = 1_000, revision = 1): Snapshot =>
  Snapshot.parse({
    revision,
    issuer: 'with "quotes", \\ and [brackets}',
    audience: 'sluice',
    jwks: { keys: [] },
    disabled_clients: ['a{', ']b', '\\"'],
    models: names.map((name) => ({
      name,
      aliases: { champion: 1 },
      versions: [{ version: 1, default_timeout_ms: timeoutMs, replicas: [] }],
    })),
    endpoints: names.map((name) => ({ name, model: name, traffic: { split: [{ version: 1, weight: 1 }] } })),
    quotas: [],
  });

const read = (reader: SnapshotReader, text: string): Snapshot => runAtOnce(reader.read([Buffer.from(text)]));

it('reads what JSON.parse and the schema read, with blanks and without', () => {
  for (const names of [[], ['iris'], ['iris', 'org/wine']])
    for (const indent of [0, 2]) {
      const text = JSON.stringify(snapshotOf(names), null, indent);
      expect(read(new SnapshotReader(), text)).toEqual(Snapshot.parse(JSON.parse(text)));
    }
});

it('keeps the objects of elements that have not changed', () => {
  const reader = new SnapshotReader();
  const first = read(reader, JSON.stringify(snapshotOf(['a', 'b'])));
  const text = JSON.stringify(snapshotOf(['b', 'a', 'c'], 1_000, 2)).replace('"timeout":1', '');
  const second = read(reader, text);
  expect(second.models[0]).toBe(first.models[1]);
  expect(second.endpoints[1]).toBe(first.endpoints[0]);
  expect(second.models[2]?.name).toBe('c');
  const third = read(reader, JSON.stringify(snapshotOf(['a'], 2_000, 3)));
  expect(third.models[0]).not.toBe(first.models[0]);
  expect(third.endpoints[0]).toBe(first.endpoints[0]);
});

it('refuses what is no snapshot, and then still knows the last', () => {
  const reader = new SnapshotReader();
  const good = JSON.stringify(snapshotOf(['a']));
  const first = read(reader, good);
  for (const bad of [
    '',
    'null',
    '{}',
    '[]',
    good.slice(0, -1),
    `${good}x`,
    good.replace('"a"', 'a'),
    good.replace('"revision":1', '"revision":"1"'),
    good.replace('"models":[', '"models":{'),
    good.replace('"endpoints"', '"points"'),
    good.replace('}],"external_nodes"', '},],"external_nodes"'),
  ])
    expect(() => read(reader, bad), bad).toThrow();
  expect(read(reader, good).models[0]).toBe(first.models[0]);
});

it('lets others have their turn while a large one is read', async () => {
  const names = Array.from({ length: 5_000 }, (_, i) => `model-${i}`);
  const text = JSON.stringify(snapshotOf(names));
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 0);
  const snapshot = await runInSlices(new SnapshotReader().read([Buffer.from(text)]));
  clearInterval(timer);
  expect(snapshot.models).toHaveLength(names.length);
  expect(turns).toBeGreaterThan(2);
});

const cut = (text: string, lengths: readonly number[]): string[] => {
  const pieces: string[] = [];
  let rest = text;
  for (const length of lengths) {
    pieces.push(rest.slice(0, length));
    rest = rest.slice(length);
  }
  return [...pieces, rest];
};

it('a cursor cuts any value as JSON.parse would, in whatever pieces the text comes', () => {
  const lengths = fc.array(fc.nat(10), { maxLength: 200 });
  const values = fc.array(fc.jsonValue(), { minLength: 1 });
  fc.assert(
    fc.property(values, fc.constantFrom(0, 1), lengths, (values, indent, lengths) => {
      const cursor = new JsonCursor(cut(JSON.stringify(values, null, indent), lengths));
      cursor.expect('[');
      for (const [index, value] of values.entries()) {
        if (index > 0) cursor.expect(',');
        expect(JSON.stringify(JSON.parse(cursor.value()))).toBe(JSON.stringify(value));
      }
      cursor.expect(']');
      cursor.expectEnd();
    }),
  );
});
