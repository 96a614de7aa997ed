/** Failures on MLflow's paths, in the shape and words that its clients branch on. */
import type { ErrorCode } from '#contracts/errors';
import type { SluiceError } from '#platform/errors';

/** Whether an address is one of MLflow's protocol. */
export const isMlflowPath = (url: string): boolean =>
  /^\/(?:api\/[23]\.0\/?mlflow|get-artifact|model-versions\/get-artifact)/.test(url);

export interface MlflowError {
  readonly status: number;
  readonly error_code: string;
  readonly message: string;
}

/** Where MLflow's status differs from ours, or where the status does not tell the code. */
const byCode: Partial<Record<ErrorCode, readonly [status: number, code: string]>> = {
  ALREADY_EXISTS: [400, 'RESOURCE_ALREADY_EXISTS'],
  PARAM_CONFLICT: [400, 'INVALID_PARAMETER_VALUE'],
  ALIAS_NOT_FOUND: [400, 'INVALID_PARAMETER_VALUE'],
  NOT_FOUND: [404, 'ENDPOINT_NOT_FOUND'],
};

const byStatus: Readonly<Record<number, string>> = {
  400: 'INVALID_PARAMETER_VALUE',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'RESOURCE_DOES_NOT_EXIST',
  409: 'RESOURCE_CONFLICT',
  429: 'REQUEST_LIMIT_EXCEEDED',
  500: 'INTERNAL_ERROR',
  501: 'NOT_IMPLEMENTED',
  503: 'TEMPORARILY_UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

/** @returns what MLflow's own server would answer */
export function toMlflowError(error: SluiceError): MlflowError {
  const [status, code] = byCode[error.code] ?? [error.status, byStatus[error.status] ?? 'BAD_REQUEST'];
  return { status, error_code: code, message: error.detail };
}
