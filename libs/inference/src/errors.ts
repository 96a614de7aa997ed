/** The exception of the tensor codecs: a caller's mistake, with the stable code it is answered with. */
import type { ErrorCode } from '#contracts/errors';

export type TensorErrorCode = Extract<ErrorCode, 'INVALID_JSON' | 'INVALID_REQUEST' | 'INVALID_TENSOR'>;

/** `message` goes to the caller: it names the input and says what was expected. */
export class TensorError extends Error {
  override readonly name = 'TensorError';
  constructor(
    readonly code: TensorErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** @param pos the byte at which it shows */
export const invalidJson = (reason: string, pos: number): TensorError =>
  new TensorError('INVALID_JSON', `The body is not valid JSON: ${reason} (byte ${pos}).`);
export const invalidTensor = (message: string): TensorError => new TensorError('INVALID_TENSOR', message);
export const invalidRequest = (message: string): TensorError => new TensorError('INVALID_REQUEST', message);
