import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Datatype } from '#contracts/tensors';
import { encodeBinary } from '#inference/binary-tensors';
import type { Answer } from './answer.js';
import { compareAnswers } from './compare.js';

interface Spec {
  readonly name?: string;
  readonly datatype?: Datatype;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

const json = (...outputs: Spec[]): Answer => ({
  body: Buffer.from(
    JSON.stringify({ outputs: outputs.map((one) => ({ name: 'y', datatype: 'FP32', ...one })) }),
  ),
  headerLength: undefined,
});

/** The same outputs in binary, as a node sends them. */
function binary(
  ...outputs: { shape: number[]; data: Float32Array | BigInt64Array; datatype: Datatype }[]
): Answer {
  const parts = outputs.map(({ data }) => encodeBinary({ elements: data }));
  const head = Buffer.from(
    JSON.stringify({
      outputs: outputs.map(({ shape, datatype }, i) => ({
        name: 'y',
        datatype,
        shape,
        parameters: { binary_data_size: parts[i]?.length },
      })),
    }),
  );
  return { body: Buffer.concat([head, ...parts]), headerLength: head.length };
}

const compared = (sameTopClass: boolean | undefined, maxAbsDifference: number | undefined) => ({
  kind: 'compared',
  sameTopClass,
  maxAbsDifference,
});

const numbers = fc.array(fc.float({ noNaN: true, min: -1_000, max: 1_000 }), { minLength: 2, maxLength: 20 });

describe('comparing answers of TensorFlow Serving', () => {
  const served = (answer: object): Answer => ({
    body: Buffer.from(JSON.stringify(answer)),
    headerLength: undefined,
  });
  const compare = (one: object, other: object) => compareAnswers(served(one), served(other), 'tfserving');

  it.each([
    ['rows of the only output', { predictions: [[0.7, 0.3], [0.2, 0.8]] }, { predictions: [[0.6, 0.4], [0.2, 0.8]] }, true],
    ['rows, another class', { predictions: [[0.7, 0.3]] }, { predictions: [[0.2, 0.8]] }, false],
    ['rows of named outputs', { predictions: [{ p: [0.7, 0.3], n: 'a' }] }, { predictions: [{ n: 'a', p: [0.5, 0.5] }] }, true],
    ['rows with another label', { predictions: [{ p: [1, 0], n: { b64: 'YQ==' } }] }, { predictions: [{ p: [1, 0], n: { b64: 'Yg==' } }] }, false],
    ['columns', { outputs: { p: [[0.7, 0.3]] } }, { outputs: { p: [[0.3, 0.7]] } }, false],
    ['the column of the only output', { outputs: [[0.7, 0.3]] }, { outputs: [[0.7, 0.3]] }, true],
    ['classes in any order', { results: [[['a', 0.7], ['b', 0.3]]] }, { results: [[['b', 0.4], ['a', 0.6]]] }, true],
    ['classes, another first', { results: [[['a', 0.7], ['b', 0.3]]] }, { results: [[['a', 0.1], ['b', 0.9]]] }, false],
  ] as const)('reads %s', (_, one, other, sameTopClass) => {
    expect(compare(one, other)).toMatchObject({ kind: 'compared', sameTopClass });
  }); // prettier-ignore

  it('takes one whole number a row as a class, and a row of numbers as scores of classes', () => {
    expect(compare({ predictions: [1, 2] }, { predictions: [1, 2] })).toEqual(compared(true, 0));
    expect(compare({ predictions: [[1], [2]] }, { predictions: [[1], [7]] })).toEqual(compared(false, 5));
    expect(compare({ outputs: { label: [3] } }, { outputs: { label: [4] } })).toEqual(compared(false, 1));
    expect(compare({ predictions: [[1, 5, 2]] }, { predictions: [[0, 9, 3]] })).toEqual(compared(true, 4));
    const row = (label: number, score: number) => ({ predictions: [{ label, score }] });
    expect(compare(row(1, 0.5), row(2, 0.25))).toEqual(compared(false, 0.25));
  });

  it('knows no classes in one number a row that is not whole, and tells how far they are apart', () => {
    expect(compare({ predictions: [1, 2] }, { predictions: [1, 2.5] })).toEqual(compared(undefined, 0.5));
    expect(compare({ results: [1, 2] }, { results: [4, 2] })).toEqual(compared(undefined, 3));
    const scores = (a: number) => ({ results: [[['a', a], ['b', 0]]] }); // prettier-ignore
    expect(compare(scores(0.5), scores(0.75))).toEqual(compared(true, 0.25));
  });

  it('tells other outputs and what it cannot read', () => {
    const one = { predictions: [[0.7, 0.3]] };
    for (const other of [
      { predictions: [[1, 2, 3]] },
      { outputs: { p: [[0.7, 0.3]] } },
      { predictions: [['a', 'b']] },
    ])
      expect(compare(one, other)).toEqual({ kind: 'mismatched' });
    for (const other of [{ error: 'no' }, { predictions: [{ a: 1 }, 2] }, { predictions: [[{ x: 1 }]] }, []])
      expect(compare(one, other)).toEqual({ kind: 'unreadable' });
    fc.assert(
      fc.property(fc.json(), (text) => {
        const other = { body: Buffer.from(text), headerLength: undefined };
        expect(['compared', 'mismatched', 'unreadable']).toContain(
          compareAnswers(served(one), other, 'tfserving').kind,
        );
      }),
    );
  });
});

describe('comparing answers', () => {
  it('finds the largest difference and whether the top class is the same, in JSON and in binary', () => {
    fc.assert(
      fc.property(numbers, fc.nat(), fc.float({ noNaN: true, min: -10, max: 10 }), (data, at, change) => {
        const changed = data.map((value, i) =>
          i === at % data.length ? Math.fround(value + change) : value,
        );
        const shape = [1, data.length];
        const expected = compared(
          data.indexOf(Math.max(...data)) === changed.indexOf(Math.max(...changed)),
          Math.abs((data[at % data.length] ?? 0) - (changed[at % data.length] ?? 0)),
        );
        const wire = (values: number[]) => ({
          shape,
          data: Float32Array.from(values),
          datatype: 'FP32' as const,
        });
        const answers = [json({ shape, data: changed }), binary(wire(changed))];
        for (const other of answers)
          for (const one of [json({ shape, data }), binary(wire(data))])
            expect(compareAnswers(one, other)).toEqual(expected);
      }),
    );
  });

  it('looks at every row, and nested data is as good as flat', () => {
    const rows = json({
      shape: [2, 2],
      data: [
        [0.9, 0.1],
        [0.2, 0.8],
      ],
    });
    expect(compareAnswers(rows, json({ shape: [2, 2], data: [0.8, 0.2, 0.2, 0.8] })).kind).toBe('compared');
    expect(compareAnswers(rows, json({ shape: [2, 2], data: [0.9, 0.1, 0.8, 0.2] }))).toMatchObject({
      sameTopClass: false,
    });
  });

  it('takes labels as classes, and integers as numbers only when there are no floats', () => {
    const label = (data: unknown[], datatype: Datatype) => json({ datatype, shape: [data.length], data });
    expect(compareAnswers(label([1, 2], 'INT64'), label([1, 5], 'INT64'))).toEqual(compared(false, 3));
    expect(compareAnswers(label(['a'], 'BYTES'), label(['a'], 'BYTES'))).toEqual(compared(true, undefined));
    const both = (cls: number, p: number) =>
      json({ name: 'label', datatype: 'INT64', shape: [1], data: [cls] }, { shape: [1, 1], data: [p] });
    expect(compareAnswers(both(1, 0.5), both(7, 0.25))).toEqual(compared(false, 0.25));
    const ids = (id: bigint) => binary({ shape: [1], datatype: 'INT64', data: BigInt64Array.of(id) });
    expect(compareAnswers(ids(3n), ids(3n))).toEqual(compared(true, 0));
  });

  it('knows no classes in a single number', () => {
    expect(
      compareAnswers(json({ shape: [2, 1], data: [1, 2] }), json({ shape: [2, 1], data: [1, 2.5] })),
    ).toEqual(compared(undefined, 0.5));
  });

  it('reads NaN and the infinities as our nodes write them', () => {
    const raw = (text: string): Answer => ({
      body: Buffer.from(
        `{"outputs":[{"name":"NaN \\" Infinity","datatype":"FP32","shape":[2],"data":[${text}]}]}`,
      ),
      headerLength: undefined,
    });
    expect(compareAnswers(raw('NaN,1'), raw('NaN,1'))).toMatchObject({ maxAbsDifference: 0 });
    expect(compareAnswers(raw('NaN,1'), raw('0,1'))).toMatchObject({ maxAbsDifference: Infinity });
    expect(compareAnswers(raw('-Infinity,1'), raw('0,1'))).toMatchObject({ maxAbsDifference: Infinity });
  });

  it('tells other outputs and what it cannot read', () => {
    const one = json({ shape: [1, 2], data: [1, 2] });
    for (const other of [
      json({ shape: [2, 1], data: [1, 2] }),
      json({ name: 'z', shape: [1, 2], data: [1, 2] }),
      json({ datatype: 'INT64', shape: [1, 2], data: [1, 2] }),
      json({ shape: [1, 2], data: [1, 2] }, { shape: [1], data: [1] }),
    ])
      expect(compareAnswers(one, other)).toEqual({ kind: 'mismatched' });
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 50 }),
        fc.option(fc.nat(60), { nil: undefined }),
        (bytes, headerLength) => {
          const other = { body: Buffer.from(bytes), headerLength };
          expect(compareAnswers(one, other)).toEqual({ kind: 'unreadable' });
          expect(compareAnswers(other, one)).toEqual({ kind: 'unreadable' });
        },
      ),
    );
  });
});
