/**
 * Triton's binary tensor data: little-endian elements in row-major order without padding, BOOL as one byte, BYTES as a
 * 32-bit length and that many bytes per element. Numbers are read in place where their address is aligned.
 */
import { isUtf8 } from 'node:buffer';
import type { Datatype } from '#contracts/tensors';
import { invalidTensor } from './errors.js';
import type { Elements, Tensor } from './tensor.js';

type FixedDatatype = Exclude<Datatype, 'BYTES'>;

const views = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const satisfies Record<FixedDatatype, unknown>;

/** Bytes of one element, or undefined when elements differ in length. */
export function elementBytes(datatype: Datatype): number | undefined {
  return datatype === 'BYTES' ? undefined : views[datatype].BYTES_PER_ELEMENT;
}

export interface BinaryInput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly count: number;
  readonly bytes: Buffer;
}

/**
 * The elements share memory with `bytes` when they can.
 * @throws TensorError that names the input
 */
export function decodeBinary(input: BinaryInput): Elements {
  const { name, datatype, shape, count, bytes } = input;
  if (datatype === 'BYTES') return decodeStrings(input);
  const view = views[datatype];
  const needed = count * view.BYTES_PER_ELEMENT;
  if (bytes.length !== needed)
    throw invalidTensor(
      `input '${name}' has ${bytes.length} bytes of binary data; shape [${shape.join(', ')}] of ${datatype} needs ${needed}`,
    );
  if (datatype === 'BOOL') {
    const bad = bytes.findIndex((byte) => byte > 1);
    if (bad >= 0)
      throw invalidTensor(`input '${name}': element ${bad} is ${bytes[bad] ?? 0}; BOOL takes 0 or 1`);
  }
  const isAligned = bytes.byteOffset % view.BYTES_PER_ELEMENT === 0;
  const { buffer, byteOffset } = isAligned ? bytes : new Uint8Array(bytes);
  return new view(buffer as ArrayBuffer, byteOffset, count);
}

function decodeStrings({ name, shape, count, bytes }: BinaryInput): string[] {
  const problem = (index: number, what: string): Error =>
    invalidTensor(
      `input '${name}': ${what} at element ${index} of ${count} (shape [${shape.join(', ')}] of BYTES)`,
    );
  if (count * 4 > bytes.length) throw problem(Math.floor(bytes.length / 4), 'binary data ends');
  const strings: string[] = [];
  let offset = 0;
  for (let index = 0; index < count; index += 1) {
    if (offset + 4 > bytes.length) throw problem(index, 'binary data ends');
    const length = bytes.readUInt32LE(offset);
    const start = offset + 4;
    offset = start + length;
    if (offset > bytes.length) throw problem(index, `a length of ${length} bytes runs past the binary data`);
    strings.push(readUtf8(bytes.subarray(start, offset), () => problem(index, 'bytes that are not UTF-8')));
  }
  if (offset < bytes.length)
    throw problem(count, `${bytes.length - offset} bytes of binary data are left over`);
  return strings;
}

/** ONNX Runtime's binding takes strings only, so bytes that are no text cannot reach the model. */
export function readUtf8(bytes: Buffer, problem: () => Error): string {
  if (!isUtf8(bytes)) throw problem();
  return bytes.toString('utf8');
}

export function encodeBinary({ elements }: Pick<Tensor, 'elements'>): Buffer {
  if (!Array.isArray(elements))
    return Buffer.from(elements.buffer as ArrayBuffer, elements.byteOffset, elements.byteLength);
  const sizes = elements.map((text) => Buffer.byteLength(text));
  const out = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size + 4, 0));
  let offset = 0;
  for (const [index, text] of elements.entries()) {
    offset = out.writeUInt32LE(sizes[index] ?? 0, offset);
    offset += out.write(text, offset, 'utf8');
  }
  return out;
}
