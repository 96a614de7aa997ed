/** What a case of the conformance suite is, and the parts that many of them are made of. */
import type { Answer, Call } from './stage.js';

export interface Case extends Call {
  readonly title: string;
  readonly status: number;
  /** Where node and gateway differ by design: for which of them it is. */
  readonly only?: 'node' | 'gateway';
  /** Header fields that the answer must have; null: must not have. */
  readonly answers?: Readonly<Record<string, string | RegExp | null>>;
  /** What the JSON of the answer must match (toMatchObject). */
  readonly json?: object | undefined;
  /** What the `error` of the answer must say. */
  readonly error?: RegExp;
  /** Anything else, by own words. */
  readonly check?: (answer: Answer) => void;
}

/** JSON ‖ tensors, as the binary tensor extension frames them. */
export function binaryBody(header: object, ...tensors: readonly Buffer[]): Pick<Call, 'headers' | 'body'> {
  const json = Buffer.from(JSON.stringify(header));
  return {
    headers: { 'inference-header-content-length': String(json.length) },
    body: Buffer.concat([json, ...tensors]),
  };
}

export const floats = (...values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);

/** A JSON tensor of the model `pair`: [n, 2] FP32. */
export const tensor = (name: string, data: unknown, shape: readonly number[] = [1, 2]) => ({
  name,
  datatype: 'FP32',
  shape,
  data,
});
/** The same, with its data behind the JSON. */
export const binaryTensor = (name: string, bytes: number, shape: readonly number[] = [1, 2]) => ({
  name,
  datatype: 'FP32',
  shape,
  parameters: { binary_data_size: bytes },
});
export const infer = (body: Call['body'], headers: Record<string, string> = {}): Call => ({
  method: 'POST',
  path: '/v2/models/pair/infer',
  headers,
  body,
});
