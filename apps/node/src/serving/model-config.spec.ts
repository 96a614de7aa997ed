import { describe, expect, it } from 'vitest';
import { VersionConfig } from '#contracts/models';
import type { Signature } from '#contracts/tensors';
import { batchLimits, modelConfig } from './model-config.js';
import type { ServedVersion } from './model-table.js';

const signature: Signature = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [-1, 3, -1] },
    { name: 'id', datatype: 'BYTES', shape: [-1] },
  ],
  outputs: [{ name: 'y', datatype: 'INT64', shape: [-1, 2] }],
};
const config = VersionConfig.parse({ max_queue_delay_us: 100 });
const served = (maxRows: number): ServedVersion => ({
  model: 'm',
  version: 3,
  configRevision: 1,
  state: 'READY',
  signature,
  defaultTimeoutMs: 1,
  batching: { maxRows, maxDelayUs: 100 },
  instances: 2,
  pool: { submit: () => undefined, inFlight: 0, residentBytes: 0 },
});
const profile = {
  load_ms: 1,
  warmup_ms: 1,
  latency_ms: 1,
  memory_bytes: 1,
  onnxruntime_version: '1',
  batching: {
    enabled: true,
    reason: null,
    tolerance: 0,
    costs: [1, 2, 4].map((rows) => ({ rows, ms: 1 })),
  },
};

describe('modelConfig', () => {
  it('of a version that batches: dims without the batch, dynamic_batching there', () => {
    expect(modelConfig(served(8))).toMatchObject({
      name: 'm',
      platform: 'onnxruntime_onnx',
      max_batch_size: 8,
      input: [
        { name: 'x', data_type: 'TYPE_FP32', dims: [3, -1] },
        { name: 'id', data_type: 'TYPE_STRING', dims: [1], reshape: { shape: [] } },
      ],
      output: [{ name: 'y', data_type: 'TYPE_INT64', dims: [2] }],
      dynamic_batching: { max_queue_delay_microseconds: 100 },
      instance_group: [{ count: 2, kind: 'KIND_CPU' }],
    });
  });

  it('of one that does not: dims as in the metadata, no dynamic_batching', () => {
    const answer = modelConfig(served(0));
    expect(answer).toMatchObject({
      max_batch_size: 0,
      input: [{ dims: [-1, 3, -1] }, { dims: [-1] }],
      output: [{ dims: [-1, 2] }],
    });
    expect(answer).not.toHaveProperty('dynamic_batching');
  });
});

describe('batchLimits', () => {
  it('are what the config says, or what was measured', () => {
    expect(batchLimits(profile, signature, config)).toEqual({ maxRows: 4, maxDelayUs: 100 });
    expect(batchLimits(profile, signature, { ...config, max_batch_size: 64 }).maxRows).toBe(64);
  });

  it('are 0 when the runner does not batch, or a tensor has no batch dimension', () => {
    const off = { ...profile, batching: { ...profile.batching, enabled: false } };
    expect(batchLimits(off, signature, config).maxRows).toBe(0);
    const scalar: Signature = { ...signature, outputs: [{ name: 'y', datatype: 'FP32', shape: [] }] };
    expect(batchLimits(profile, scalar, config).maxRows).toBe(0);
  });
});
