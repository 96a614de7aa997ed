/** The tensors of a benchmark's request, and its bodies in both forms of the Open Inference Protocol. */

export interface BenchTensor {
  readonly name: string;
  readonly datatype: 'FP32' | 'INT64';
  readonly shape: readonly number[];
  readonly elements: Float32Array | BigInt64Array;
}

/** A request's body, and the headers that say what it is. */
export interface BenchBody {
  readonly bytes: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Reproducible values between 0 and 1, with few digits, as measurements have them. */
export function floats(name: string, ...shape: number[]): BenchTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const elements = Float32Array.from({ length: count }, (_, index) => ((index * 7_919) % 1_000) / 1_000);
  return { name, datatype: 'FP32', shape, elements };
}

export const scalar = (name: string, value: bigint): BenchTensor => ({
  name,
  datatype: 'INT64',
  shape: [],
  elements: BigInt64Array.of(value),
});

export function jsonBody(tensors: readonly BenchTensor[]): BenchBody {
  const inputs = tensors.map(({ name, datatype, shape, elements }) => ({
    name,
    datatype,
    shape,
    // Three digits, not the seventeen of a float widened to a double.
    data: Array.from(elements as ArrayLike<number | bigint>, (value) => Number(Number(value).toFixed(3))),
  }));
  return {
    bytes: Buffer.from(JSON.stringify({ inputs })),
    headers: { 'content-type': 'application/json' },
  };
}

export function binaryBody(tensors: readonly BenchTensor[]): BenchBody {
  const inputs = tensors.map(({ name, datatype, shape, elements }) => ({
    name,
    datatype,
    shape,
    parameters: { binary_data_size: elements.byteLength },
  }));
  const head = Buffer.from(JSON.stringify({ inputs, parameters: { binary_data_output: true } }));
  const data = tensors.map(({ elements }) => Buffer.from(elements.buffer));
  return {
    bytes: Buffer.concat([head, ...data]),
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(head.length),
    },
  };
}
