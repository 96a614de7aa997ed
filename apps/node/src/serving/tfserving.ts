/** TensorFlow Serving's answers about models, in its words and statuses, with what KServe v1 asks for beside them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ReplicaState } from '#contracts/nodes';
import type { Datatype, TensorSpec } from '#contracts/tensors';
import { sendJson } from './answers.js';
import type { HeldVersion, ModelTable, ServedVersion } from './model-table.js';
import { codeOfUnserved } from './oip-routes.js';
import type { OnModel } from './paths.js';
import { refuse } from './refuse.js';

export function refuseServable(
  table: ModelTable,
  on: OnModel,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const { model, version } = on;
  const servable = version === undefined ? `Latest(${model})` : `Specific(${model}, ${version})`;
  refuse(req, res, codeOfUnserved(table, on), `Servable not found for request: ${servable}`);
}

const stateOf = (state: ReplicaState): string => {
  switch (state) {
    case 'ASSIGNED':
      return 'START';
    case 'FETCHING':
    case 'LOADING':
      return 'LOADING';
    case 'READY':
      return 'AVAILABLE';
    case 'DRAINING':
      return 'UNLOADING';
    case 'FAILED':
      return 'END';
  }
};

const versionStatus = ({ version, state, reason }: HeldVersion): object => ({
  version: String(version),
  state: stateOf(state),
  status:
    state === 'FAILED'
      ? { error_code: 'UNAVAILABLE', error_message: reason ?? '' }
      : { error_code: 'OK', error_message: '' },
});

/** Newest first, as TensorFlow Serving lists them. */
export function answerStatus(
  table: ModelTable,
  on: OnModel,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const { model, version } = on;
  const held = table.held.filter(
    (one) => one.model === model && (version === undefined || one.version === version),
  );
  if (held.length === 0) {
    const what = version === undefined ? 'any versions' : `version ${version}`;
    refuse(req, res, codeOfUnserved(table, on), `Could not find ${what} of model ${model}`);
    return;
  }
  sendJson(res, {
    name: model,
    ready: held.some(({ state }) => state === 'READY'),
    model_version_status: held.reverse().map(versionStatus),
  });
}

const tensorflowTypes: Readonly<Record<Datatype, string>> = {
  BOOL: 'DT_BOOL',
  UINT8: 'DT_UINT8',
  UINT16: 'DT_UINT16',
  UINT32: 'DT_UINT32',
  UINT64: 'DT_UINT64',
  INT8: 'DT_INT8',
  INT16: 'DT_INT16',
  INT32: 'DT_INT32',
  INT64: 'DT_INT64',
  FP16: 'DT_HALF',
  FP32: 'DT_FLOAT',
  FP64: 'DT_DOUBLE',
  BYTES: 'DT_STRING',
};

const tensorInfos = (tensors: readonly TensorSpec[]): object =>
  Object.fromEntries(
    tensors.map(({ name, datatype, shape }) => [
      name,
      {
        dtype: tensorflowTypes[datatype],
        tensor_shape: { dim: shape.map((size) => ({ size: String(size), name: '' })), unknown_rank: false },
        name: `${name}:0`,
      },
    ]),
  );

/** `GET …/metadata`: the signature as TensorFlow's one and only. */
export const signatureMetadata = ({ model, version, signature }: ServedVersion): object => ({
  model_spec: { name: model, signature_name: '', version: String(version) },
  metadata: {
    signature_def: {
      signature_def: {
        serving_default: {
          inputs: tensorInfos(signature.inputs),
          outputs: tensorInfos(signature.outputs),
          method_name: 'tensorflow/serving/predict',
        },
      },
    },
  },
});
