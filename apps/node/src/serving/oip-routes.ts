/** The Open Inference Protocol's answers about the server and its models. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorCode } from '#contracts/errors';
import type { ModelMetadata } from '#contracts/oip';
import { sendError, sendJson } from './answers.js';
import type { ModelTable, ServedVersion } from './model-table.js';
import type { OnModel } from './paths.js';
import { refuse } from './refuse.js';

/** Why a version that is asked for cannot answer. */
export function codeOfUnserved(table: ModelTable, { model, version }: OnModel): ErrorCode {
  if (table.holds(model, version)) return 'NO_READY_REPLICA';
  return table.holds(model) ? 'VERSION_NOT_FOUND' : 'MODEL_NOT_FOUND';
}

export function refuseUnserved(
  table: ModelTable,
  on: OnModel,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const code = codeOfUnserved(table, on);
  const what = code === 'NO_READY_REPLICA' ? 'is not ready on this node yet' : 'is not on this node';
  const version = on.version === undefined ? '' : ` version ${on.version}`;
  refuse(req, res, code, `Model '${on.model}'${version} ${what}.`);
}

export function answerModelReady({ model, version, state }: ServedVersion, res: ServerResponse): void {
  if (state === 'READY') sendJson(res, { name: model, ready: true });
  else sendError(res, 'NO_READY_REPLICA', `Model '${model}' version ${version} is leaving this node.`);
}

export const modelMetadata = (
  table: ModelTable,
  { model, version, signature }: ServedVersion,
): ModelMetadata => {
  const ready = table.readyVersions(model);
  return {
    name: model,
    versions: (ready.length > 0 ? ready : [version]).map(String),
    platform: 'onnx_onnxv1',
    inputs: signature.inputs,
    outputs: signature.outputs,
  };
};

/** KServe's list, in its v1 and v2: the models that take new callers. */
export const modelList = (table: ModelTable): object => ({
  models: [...new Set(table.served.filter(({ state }) => state === 'READY').map(({ model }) => model))],
});
