/** A version in the words of Triton's model configuration, as far as clients and perf_analyzer read it. Pure. */
import type { VersionConfig } from '#contracts/models';
import type { Datatype, Profile, Signature, TensorSpec } from '#contracts/tensors';
import type { BatchLimits, ServedVersion } from './model-table.js';

/**
 * Triton's rule for a batching model is that each tensor's first dimension is the batch: a client that reads a batch size
 * above 0 cuts it off.
 */
export function batchLimits(
  { batching }: Profile,
  { inputs, outputs }: Signature,
  config: Pick<VersionConfig, 'max_batch_size' | 'max_queue_delay_us'>,
): BatchLimits {
  const isBatched =
    batching?.enabled === true && [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
  const measured = Math.max(1, ...(batching?.costs ?? []).map(({ rows }) => rows));
  return {
    maxRows: isBatched ? (config.max_batch_size ?? measured) : 0,
    maxDelayUs: config.max_queue_delay_us,
  };
}

const typeOf = (datatype: Datatype): string => `TYPE_${datatype === 'BYTES' ? 'STRING' : datatype}`;

/** Triton has no empty `dims`: a tensor of nothing but the batch is one of [1], reshaped. */
function dimensionsOf({ shape }: TensorSpec, isBatched: boolean): object {
  const dims = isBatched ? shape.slice(1) : shape;
  return dims.length === 0 ? { dims: [1], reshape: { shape: [] } } : { dims };
}

const instanceGroup = (count: number): object => ({
  name: 'runners',
  kind: 'KIND_CPU',
  count,
  gpus: [],
  secondary_devices: [],
  profile: [],
  passive: false,
  host_policy: '',
});

const dynamicBatching = ({ maxDelayUs }: BatchLimits): object => ({
  preferred_batch_size: [],
  max_queue_delay_microseconds: maxDelayUs,
  preserve_ordering: false,
  priority_levels: 0,
  default_priority_level: 0,
  priority_queue_policy: {},
});

/** `GET /v2/models/M/config` */
export function modelConfig({ model, version, signature, batching, instances }: ServedVersion): object {
  const isBatched = batching.maxRows > 0;
  return {
    name: model,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    runtime: '',
    version_policy: { specific: { versions: [version] } },
    max_batch_size: batching.maxRows,
    input: signature.inputs.map((input) => ({
      name: input.name,
      data_type: typeOf(input.datatype),
      format: 'FORMAT_NONE',
      ...dimensionsOf(input, isBatched),
      is_shape_tensor: false,
      allow_ragged_batch: false,
      optional: false,
    })),
    output: signature.outputs.map((output) => ({
      name: output.name,
      data_type: typeOf(output.datatype),
      ...dimensionsOf(output, isBatched),
      label_filename: '',
      is_shape_tensor: false,
    })),
    batch_input: [],
    batch_output: [],
    ...(isBatched ? { dynamic_batching: dynamicBatching(batching) } : {}),
    instance_group: [instanceGroup(instances)],
    default_model_filename: 'model.onnx',
    cc_model_filenames: {},
    metric_tags: {},
    parameters: {},
    model_warmup: [],
    model_transaction_policy: { decoupled: false },
  };
}
