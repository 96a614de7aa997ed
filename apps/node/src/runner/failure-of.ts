/** What a runner answers when it has no result. */
import { TensorError } from '#inference/errors';
import type { FailureMessage } from './messages.js';
import { cleanReason } from './reason.js';

export const tooLate: FailureMessage = {
  code: 'OVERLOADED',
  message: 'The requests that wait already would make this one miss its deadline. Try again later.',
};

/** What ONNX Runtime says when a tensor does not fit the model in a way that the signature does not show. */
const misfit = /Got invalid dimensions for input|Invalid rank for input|Unexpected input data type/;

export function failureOf(error: unknown): FailureMessage {
  if (error instanceof TensorError) return { code: error.code, message: error.message };
  const message = cleanReason(error);
  return { code: misfit.test(message) ? 'INVALID_TENSOR' : 'RUNNER_FAILED', message };
}
