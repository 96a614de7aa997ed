import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { compareAnswer } from './prediction.js';
import { loadSample, sampleRequest } from './sample.js';

const sample = loadSample();

async function runDirectly(path: string) {
  const session = await ort.InferenceSession.create(path);
  const [input] = sampleRequest(sample).inputs;
  if (!input) throw new Error('the sample has no input');
  const feeds = { [input.name]: new ort.Tensor('float32', Float32Array.from(input.data), input.shape) };
  const answer = await session.run(feeds);
  return {
    label: Array.from(answer['label']?.data as BigInt64Array, Number),
    probabilities: Array.from(answer['probabilities']?.data as Float32Array),
  };
}

describe('the sample model', () => {
  it.each(sample.versions)('answers in version $version what expected.json says', async (version) => {
    expect(compareAnswer(version, await runDirectly(version.path))).toBeUndefined();
    expect(version.accuracy).toBeGreaterThan(0.9);
  });

  it('sends the very FP32 values that expected.json holds', () => {
    const [input] = sampleRequest(sample).inputs;
    expect(input?.data.map(Math.fround)).toEqual(sample.input.data.flat());
  });

  it('has two versions whose probabilities differ visibly, so that a canary can be seen', () => {
    const [first, second] = sample.versions;
    const differences = (first?.probabilities.flat() ?? []).map((value, index) =>
      Math.abs(value - (second?.probabilities.flat()[index] ?? value)),
    );
    expect(Math.max(...differences)).toBeGreaterThan(0.1);
  });
});
