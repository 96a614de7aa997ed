/** Hand-written ONNX protobuf (onnx.proto3) for tests: models of a few nodes, no library needed. */

/** ONNX's numbers of element types. */
export const elementTypes = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
  BFLOAT16: 16,
} as const;
export type ElementType = keyof typeof elementTypes;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
const int = (field: number, value: number): Buffer => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field: number, value: Buffer | string): Buffer => {
  const content = Buffer.from(value);
  return Buffer.concat([varint((field << 3) | 2), varint(content.length), content]);
};
const message = (field: number, ...parts: readonly Buffer[]): Buffer => bytes(field, Buffer.concat(parts));

/** A number, or the name of a dynamic dimension. */
export type Dimension = number | string;
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
  /** A sequence of such tensors, or a map from INT64 to them. */
  readonly container?: 'sequence' | 'map';
}

const containerType = (container: Value['container'], tensorType: Buffer): Buffer => {
  if (container === 'sequence') return message(4, message(1, tensorType));
  return container === 'map' ? message(5, int(1, elementTypes.INT64), message(2, tensorType)) : tensorType;
};

const value = (field: number, { name, type, shape, container }: Value): Buffer => {
  const dimensions = shape.map((size) =>
    message(1, typeof size === 'number' ? int(1, size) : bytes(2, size)),
  );
  const tensorType = message(1, int(1, elementTypes[type]), message(2, ...dimensions));
  return message(field, bytes(1, name), message(2, containerType(container, tensorType)));
};

export interface Op {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly domain?: string;
}

const node = ({ type, inputs, outputs, domain = '' }: Op): Buffer =>
  message(
    1,
    ...inputs.map((name) => bytes(1, name)),
    ...outputs.map((name) => bytes(2, name)),
    bytes(4, type),
    bytes(7, domain),
  );

/** An initializer whose bytes lie in a file beside the model. */
export interface ExternalTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly location: string;
  readonly length: number;
}

const external = ({ name, type, shape, location, length }: ExternalTensor): Buffer => {
  const entry = (key: string, text: string): Buffer => message(13, bytes(1, key), bytes(2, text));
  return message(
    5,
    ...shape.map((size) => int(1, size)),
    int(2, elementTypes[type]),
    bytes(8, name),
    entry('location', location),
    entry('offset', '0'),
    entry('length', String(length)),
    int(14, 1),
  );
};

export interface Graph {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly ops: readonly Op[];
  readonly externals?: readonly ExternalTensor[];
}

export function onnxModel({ inputs, outputs, ops, externals = [] }: Graph): Buffer {
  const graph = message(
    7,
    ...ops.map(node),
    bytes(2, 'test'),
    ...externals.map(external),
    ...inputs.map((input) => value(11, input)),
    ...outputs.map((output) => value(12, output)),
  );
  const domains = [...new Set(ops.flatMap(({ domain }) => domain ?? []))];
  const imports = domains.map((domain) => message(8, bytes(1, domain), int(2, 3)));
  return Buffer.concat([int(1, 8), graph, message(8, int(2, 17)), ...imports]);
}

/** x → y, unchanged. */
export const identityModel = (type: ElementType, shape: readonly Dimension[] = ['n']): Buffer =>
  onnxModel({
    inputs: [{ name: 'x', type, shape }],
    outputs: [{ name: 'y', type, shape }],
    ops: [{ type: 'Identity', inputs: ['x'], outputs: ['y'] }],
  });
