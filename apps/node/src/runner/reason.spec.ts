import { describe, expect, it } from 'vitest';
import { cleanReason } from './reason.js';

describe('cleanReason', () => {
  it.each([
    ['Load model from /data/m.onnx failed:Protobuf parsing failed.', 'Protobuf parsing failed.'],
    [
      'running Sub node. Status Message: /onnxruntime_src/core/ops.h:583 void onnxruntime::Iterator::Append(ptrdiff_t, ptrdiff_t) axis == 1 was false.\n2 by 3',
      'running Sub node. Status Message: axis == 1 was false. 2 by 3',
    ],
    ['Unsupported data type: 16', 'an input or output has the unsupported datatype bfloat16'],
    ['cannot read /data/m.onnx', 'cannot read the model'],
  ])('%s', (message, reason) => {
    expect(cleanReason(new Error(message), '/data/m.onnx')).toBe(reason);
  });
});
