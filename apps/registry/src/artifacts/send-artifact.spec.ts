import { describe, expect, it } from 'vitest';
import { contentDisposition } from './send-artifact.js';

describe('contentDisposition', () => {
  it.each([
    ['model.onnx', `attachment; filename="model.onnx"; filename*=UTF-8''model.onnx`],
    ['weights/größe.bin', `attachment; filename="gr__e.bin"; filename*=UTF-8''gr%C3%B6%C3%9Fe.bin`],
    ['a";evil=".onnx', `attachment; filename="a__evil__.onnx"; filename*=UTF-8''a%22%3Bevil%3D%22.onnx`],
    ["it's (1)*.onnx", `attachment; filename="it_s__1__.onnx"; filename*=UTF-8''it%27s%20%281%29%2A.onnx`],
  ])('names %s safely', (path, expected) => {
    expect(contentDisposition(path)).toBe(expected);
  });
});
