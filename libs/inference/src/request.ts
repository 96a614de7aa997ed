/** What a codec gives the runner: a decoded request, and the way to encode its answer. */
import type { Tensor } from './tensor.js';

export const protocols = ['oip', 'predict', 'classify', 'regress'] as const;
/** Open Inference Protocol `infer`; TensorFlow Serving `:predict`, `:classify` and `:regress`. */
export type Protocol = (typeof protocols)[number];

export interface ModelLabel {
  readonly model: string;
  readonly version: string;
}

/** `headerLength` is the size of the JSON when binary tensors follow it. */
export interface EncodedBody {
  readonly parts: readonly Buffer[];
  readonly headerLength: number | undefined;
}

export interface DecodedRequest {
  readonly inputs: readonly Tensor[];
  /** Names of the outputs to run. */
  readonly outputs: readonly string[];
  /** Triton's `priority` parameter: 1 is the highest, 0 the default. */
  readonly priority: number;
  /** Triton's `timeout` parameter. */
  readonly timeoutUs: number | undefined;
  /** Takes the results in the order of `outputs`. */
  encode(results: readonly Tensor[]): EncodedBody;
}
