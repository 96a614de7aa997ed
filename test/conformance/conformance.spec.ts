/** The protocol table, run against a node and against a gateway before it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel, onnxModel } from '../support/onnx-model.js';
import type { Value } from '../support/onnx-model.js';
import type { Case } from './cases.js';
import { binaryCases, jsonCases, refusalCases, serverCases } from './oip-cases.js';
import { openStage } from './stage.js';
import type { Stage, Way } from './stage.js';
import { predictCases, statusCases } from './tfs-cases.js';

const matrix = (name: string): Value => ({ name, type: 'FP32', shape: ['n', 2] });
const pair = onnxModel({
  inputs: [matrix('a'), matrix('b')],
  outputs: [matrix('sum'), matrix('difference')],
  ops: [
    { type: 'Add', inputs: ['a', 'b'], outputs: ['sum'] },
    { type: 'Sub', inputs: ['a', 'b'], outputs: ['difference'] },
  ],
});
/** Its output is bytes, as its name says, and no text. */
const bytesModel = onnxModel({
  inputs: [{ name: 'text', type: 'BYTES', shape: ['n'] }],
  outputs: [{ name: 'text_bytes', type: 'BYTES', shape: ['n'] }],
  ops: [{ type: 'Identity', inputs: ['text'], outputs: ['text_bytes'] }],
});

let stage: Stage;
beforeAll(async () => {
  stage = await openStage(
    [
      { model: 'pair', version: 1, bytes: pair },
      { model: 'pair', version: 2, bytes: pair },
      { model: 'org/team/pair', bytes: pair },
      { model: 'two words', bytes: identityModel('FP32', ['n', 3]) },
      { model: 'raw-FP32', bytes: identityModel('FP32') },
      { model: 'raw-FP16', bytes: identityModel('FP16') },
      { model: 'raw-BYTES', bytes: identityModel('BYTES') },
      { model: 'raw-text', bytes: identityModel('BYTES', [1]) },
      { model: 'exact', bytes: identityModel('INT64') },
      { model: 'bytes', bytes: bytesModel },
    ],
    { canary: 1 },
  );
});
afterAll(() => stage.close());

async function run(way: Way, one: Case): Promise<void> {
  const answer = await way.send(one);
  const shown = answer.bytes.subarray(0, 500).toString();
  expect(answer.status, shown).toBe(one.status);
  for (const [name, wanted] of Object.entries(one.answers ?? {})) {
    const value = answer.headers[name];
    if (wanted === null) expect(value, name).toBeUndefined();
    else if (typeof wanted === 'string') expect(value, name).toBe(wanted);
    else expect(value, name).toMatch(wanted);
  }
  if (one.json !== undefined) expect(answer.json).toMatchObject(one.json);
  if (one.error !== undefined) {
    expect(answer.json).toEqual({ error: expect.stringMatching(one.error) });
    expect(answer.headers['x-sluice-code']).toMatch(/^[A-Z_]+$/);
  }
  one.check?.(answer);
}

const groups = {
  'the server': serverCases,
  'JSON tensors': jsonCases,
  'binary tensors': binaryCases,
  'bad input': refusalCases,
  'TensorFlow Serving’s predict': predictCases,
  'TensorFlow Serving’s and KServe’s models': statusCases,
};

describe.each(['node', 'gateway'] as const)('through the %s', (name) => {
  for (const [group, cases] of Object.entries(groups))
    describe(group, () => {
      it.each(cases.filter(({ only = name }) => only === name))('$title', async (one) =>
        run(stage.ways[name], one),
      );
    });
});
