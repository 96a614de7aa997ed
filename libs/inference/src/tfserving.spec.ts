import { describe, expect, it } from 'vitest';
import type { Datatype, Signature, TensorSpec } from '#contracts/tensors';
import { createDecoder } from './codec.js';
import type { DecodedRequest, Protocol } from './codec.js';
import { TensorError } from './errors.js';
import type { Elements, Tensor } from './tensor.js';

const spec = (name: string, datatype: Datatype, shape: number[]): TensorSpec => ({ name, datatype, shape });
const tensor = (name: string, datatype: Datatype, shape: number[], elements: Elements): Tensor => ({
  name,
  datatype,
  shape,
  elements,
});
const one: Signature = {
  inputs: [spec('x', 'FP32', [-1, 2])],
  outputs: [spec('y', 'FP32', [-1, 2])],
};
const two: Signature = {
  inputs: [spec('a', 'INT64', [-1]), spec('s', 'BYTES', [-1, -1])],
  outputs: [spec('n', 'INT64', [-1]), spec('img_bytes', 'BYTES', [-1])],
};

const decodeAs = (protocol: Protocol, signature: Signature, body: unknown): DecodedRequest =>
  createDecoder(signature, { model: 'm', version: '1' })(
    protocol,
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    undefined,
  );
const predict = (signature: Signature, body: unknown): DecodedRequest => decodeAs('predict', signature, body);
const answer = (request: DecodedRequest, ...results: Tensor[]): string =>
  request.encode(results).parts.join('');

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof TensorError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('it was not refused');
}

describe(':predict', () => {
  it('takes rows of one input and answers rows', () => {
    const request = predict(one, { signature_name: 'serving_default', instances: [[1, 2], [3, 4.5]] }); // prettier-ignore
    expect(request.inputs).toEqual([tensor('x', 'FP32', [2, 2], Float32Array.of(1, 2, 3, 4.5))]);
    expect(request.outputs).toEqual(['y']);
    expect(answer(request, tensor('y', 'FP32', [2, 2], Float32Array.of(1, 0.5, NaN, -Infinity)))).toBe(
      '{"predictions":[[1.0,0.5],[NaN,-Infinity]]}',
    );
  });

  it('takes columns of one input, bare or named, and answers columns', () => {
    for (const inputs of [[[1, 2]], { x: [[1, 2]] }]) {
      const request = predict(one, { inputs });
      expect(request.inputs).toEqual([tensor('x', 'FP32', [1, 2], Float32Array.of(1, 2))]);
      expect(answer(request, tensor('y', 'FP32', [1, 2], Float32Array.of(1, 2)))).toBe(
        '{"outputs":[[1.0,2.0]]}',
      );
    }
  });

  it('takes named rows of several inputs, with text and base64, 64 bits exact', () => {
    const body =
      '{"instances":[{"a":9007199254740993,"s":["x",{"b64":"w6Q="}]},{"s":["",{"b64":""}],"a":-1}],"signature_name":""}';
    const request = predict(two, body);
    expect(request.inputs).toEqual([
      tensor('a', 'INT64', [2], BigInt64Array.of(9_007_199_254_740_993n, -1n)),
      tensor('s', 'BYTES', [2, 2], ['x', 'ä', '', '']),
    ]);
    const results = [
      tensor('n', 'INT64', [2], BigInt64Array.of(1n, 2n ** 60n)),
      tensor('img_bytes', 'BYTES', [2], ['ä', '']),
    ];
    expect(answer(request, ...results)).toBe(
      '{"predictions":[{"n":1,"img_bytes":{"b64":"w6Q="}},{"n":1152921504606846976,"img_bytes":{"b64":""}}]}',
    );
  });

  it('takes named columns of several inputs', () => {
    const request = predict(two, { inputs: { s: [['x'], ['y']], a: [1, 2] } });
    expect(refusal(() => predict(two, { inputs: { s: [['x']], a: [1], other: 0 } }))).toMatch(/unknown input 'other'/);
    expect(request.inputs.map(({ shape }) => shape)).toEqual([[2], [2, 1]]);
    const results = [
      tensor('n', 'INT64', [1], BigInt64Array.of(1n)),
      tensor('img_bytes', 'BYTES', [2], ['a', 'b']),
    ];
    expect(answer(request, ...results)).toBe(
      '{"outputs":{"n":[1],"img_bytes":[{"b64":"YQ=="},{"b64":"Yg=="}]}}',
    );
    const rows = predict(two, { instances: [{ a: 1, s: ['x'] }] });
    expect(refusal(() => answer(rows, ...results))).toMatch(/img_bytes has inconsistent batch size: 2 expecting: 1/);
  }); // prettier-ignore

  it('takes a base64 object as the value of the only input', () => {
    const text = { inputs: [spec('s', 'BYTES', [])], outputs: one.outputs };
    expect(predict(text, { inputs: { b64: 'YWI=' } }).inputs[0]).toMatchObject({ shape: [], elements: ['ab'] });
    expect(predict(text, { instances: [{ b64: 'YWI=' }, 'c'] }).inputs[0]).toMatchObject({ elements: ['ab', 'c'] });
  }); // prettier-ignore

  it.each([
    ['an empty body', one, '', /^INVALID_REQUEST: JSON Parse error: The document is empty/],
    ['no JSON', one, '{', /^INVALID_JSON/],
    ['no object', one, '[1]', /JSON Value: \[1\] Is not object/],
    ['neither form', one, {}, /Missing 'inputs' or 'instances' key/],
    ['both forms', one, { instances: [[1, 2]], inputs: [[1, 2]] }, /only one of 'inputs' or 'instances'/],
    ['rows that are no list', one, { instances: 1 }, /Expecting 'instances' to be an list/],
    ['no rows', one, { instances: [] }, /No values in 'instances' array/],
    ['another signature', one, { signature_name: 'foo', instances: [[1, 2]] }, /Serving signature key "foo" not found\./],
    ['a signature that is no string', one, { signature_name: 1 }, /'signature_name' key must be a string value/],
    ['text in numbers', one, { instances: [[1, 'a']] }, /JSON Value: "a" Type: String is not of expected type: float \(input 'x', element 1/],
    ['null in numbers', one, { instances: [[1, null]] }, /Type: Null/],
    ['an object in a plain list', one, { instances: [[1, 2], { x: 1 }] }, /level: 1/],
    ['ragged rows', one, { instances: [[1, 2], [3]] }, /unexpected size: 1 at level: 1 expected size: 2/],
    ['rows of another size', one, { instances: [[1, 2, 3]] }, /'x': shape is \[1, 3\], expected \[-1, 2\]/],
    ['a plain list for two inputs', two, { instances: [1] }, /expecting list of objects/],
    ['a plain value for two inputs', two, { inputs: [1] }, /expecting an object as multiple input tensors/],
    ['an unknown name in a row', two, { instances: [{ z: 1 }] }, /element: 0 key: z .* does not have named input: z/],
    ['a name missing in a row', two, { instances: [{ a: 1 }] }, /element: 0 .* keys must be equal to: a,s/],
    ['a list among objects', two, { instances: [{ a: 1, s: [] }, 1] }, /Expecting object but got list at item 1/],
    ['rows of different shapes', two, { instances: [{ a: 1, s: ['a'] }, { a: 2, s: ['a', 'b'] }] }, /element: 1 key: s .*Expecting shape \[1\] but got: \[2\]/],
    ['a name missing in columns', two, { inputs: { a: [1] } }, /Missing named input: s in 'inputs' object/],
    ['bad base64', two, { inputs: { a: [1], s: [[{ b64: '*' }]] } }, /not formatted correctly for base64 data \(input 's'/],
    ['columns of FP16', { ...one, inputs: [spec('x', 'FP16', [-1])] }, { inputs: [1] }, /sending FP16 data via JSON is not supported/],
  ] as const)('is refused in words: %s', (_, signature, body, words) => {
    expect(refusal(() => predict(signature as Signature, body))).toMatch(words);
  }); // prettier-ignore

  it('takes no binary tensors', () => {
    const decode = createDecoder(one, { model: 'm', version: '1' });
    expect(refusal(() => decode('predict', Buffer.from('{}'), 0))).toMatch(/takes JSON only/);
  });
});

describe(':classify and :regress', () => {
  const features = [spec('age', 'INT64', [-1]), spec('x', 'FP32', [-1, 2])];
  const scores = spec('scores', 'FP32', [-1, 2]);
  const examples = [
    { age: 3, x: [1, 2] },
    { age: [4], x: [3, 4] },
  ];

  it('takes examples, and features that all of them share', () => {
    const body = { examples: [{ age: 3 }, { age: 4, x: [3, 4] }], context: { x: [1, 2] } };
    const request = decodeAs('classify', { inputs: features, outputs: [scores] }, body);
    expect(request.inputs).toEqual([
      tensor('age', 'INT64', [2], BigInt64Array.of(3n, 4n)),
      tensor('x', 'FP32', [2, 2], Float32Array.of(1, 2, 3, 4)),
    ]);
  });

  it('classifies by scores, by labels, and by both', () => {
    const values = tensor('scores', 'FP32', [2, 2], Float32Array.of(0.25, 0.75, 1, 0));
    const names = tensor('labels', 'BYTES', [2, 2], ['a', 'b', 'c', 'd']);
    const top = tensor('labels', 'INT64', [2], BigInt64Array.of(1n, 0n));
    const ask = (...outputs: TensorSpec[]): DecodedRequest =>
      decodeAs('classify', { inputs: features, outputs }, { examples });
    expect(answer(ask(scores), values)).toBe('{"results":[[["0",0.25],["1",0.75]],[["0",1.0],["1",0.0]]]}');
    const both = ask(spec('labels', 'BYTES', [-1, 2]), scores);
    expect(both.outputs).toEqual(['scores', 'labels']);
    expect(answer(both, values, names)).toBe('{"results":[[["a",0.25],["b",0.75]],[["c",1.0],["d",0.0]]]}');
    expect(answer(ask(spec('labels', 'INT64', [-1]), scores), values, top)).toContain('[["0",0.25],["1",0.75]]');
    expect(answer(ask(spec('labels', 'INT64', [-1])), top)).toBe('{"results":[[["1",0.0]],[["0",0.0]]]}');
    expect(refusal(() => answer(ask(scores), { ...values, shape: [1, 4] }))).toMatch(/batch size to be 2. Got: 1/);
  }); // prettier-ignore

  it('regresses to one value for each example', () => {
    const signature = { inputs: features, outputs: [spec('y', 'FP64', [-1, 1])] };
    const request = decodeAs('regress', signature, { examples });
    expect(answer(request, tensor('y', 'FP64', [2, 1], Float64Array.of(1, -0.1)))).toBe(
      '{"results":[1.0,-0.1]}',
    );
    expect(refusal(() => answer(request, tensor('y', 'FP64', [2, 2], new Float64Array(4))))).toMatch(
      /\[batch_size, 1\] but got \[2, 2\]/,
    );
  });

  it.each<['classify' | 'regress', Signature, unknown, RegExp]>([
    ['regress', { inputs: features, outputs: [scores, scores] }, { examples }, /Expected regression signature method_name.*Expected one output/],
    ['regress', { inputs: [spec('x', 'FP32', [-1, 2, 2])], outputs: [scores] }, { examples }, /input 'x' is FP32 of \[-1, 2, 2\]/],
    ['classify', { inputs: features, outputs: [scores, spec('z', 'FP32', [-1])] }, { examples }, /Expected one output of scores/],
    ['classify', { inputs: features, outputs: [spec('z', 'FP32', [-1, 2, 2])] }, { examples }, /output 'z' is/],
    ['classify', { inputs: features, outputs: [scores] }, {}, /When method is classify, key 'examples' is expected/],
    ['classify', { inputs: features, outputs: [scores] }, { examples: 1 }, /Expecting 'examples' value to be an list/],
    ['classify', { inputs: features, outputs: [scores] }, { examples: [] }, /'examples' value is an empty array/],
    ['classify', { inputs: features, outputs: [scores] }, { examples: [1] }, /Example must be JSON object/],
    ['classify', { inputs: features, outputs: [scores] }, { examples: [{ age: 1 }] }, /missing input 'x' in element 0/],
    ['classify', { inputs: features, outputs: [scores] }, { examples: [{ age: 1, x: [1, 2], z: 1 }] }, /unknown input 'z'/],
    ['classify', { inputs: features, outputs: [scores] }, { examples: [{ age: [1, 2], x: [1, 2] }] }, /Feature: age .* expected 1 values/],
    ['classify', { inputs: features, outputs: [scores] }, { examples, signature_name: 'foo' }, /No signature was found with the name: foo/],
  ])('is refused in words: :%s %#', (method, signature, body, words) => {
    expect(refusal(() => decodeAs(method, signature, body))).toMatch(words);
  }); // prettier-ignore
});
