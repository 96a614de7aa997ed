/** Joining the tensors of several requests on their leading dimension, and giving each its rows back. Pure. */
import { allocate, elementCount } from '../tensor.js';
import type { Elements, Tensor } from '../tensor.js';

/** Rows of a request: the leading dimension all its inputs share; undefined when they differ, or one is a scalar. */
export function rowsOf(inputs: readonly Tensor[]): number | undefined {
  const rows = inputs[0]?.shape[0];
  return rows !== undefined && rows > 0 && inputs.every(({ shape }) => shape[0] === rows) ? rows : undefined;
}

/** Requests with equal keys may be joined: same inputs, datatypes and shapes but for the rows, and same outputs. */
export function groupKey(inputs: readonly Tensor[], outputs: readonly string[]): string {
  const tensors = inputs.map(({ name, datatype, shape }) => [name, datatype, ...shape.slice(1)]);
  return JSON.stringify([tensors, outputs]);
}

function copyInto(target: Elements, source: Elements, offset: number): void {
  if (Array.isArray(target))
    for (const [index, value] of source.entries()) target[offset + index] = String(value);
  else (target as { set(from: Elements, offset: number): void }).set(source, offset);
}

/** The members' rows one after the other; their tensors have the same names, datatypes and trailing shapes. */
export function joinRows(members: readonly (readonly Tensor[])[]): Tensor[] {
  const [first = []] = members;
  if (members.length === 1) return [...first];
  return first.map((model, index) => {
    const parts = members.flatMap((tensors) => tensors[index] ?? []);
    const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    const shape = [rows, ...model.shape.slice(1)];
    const elements = allocate(model.datatype, elementCount(shape));
    let offset = 0;
    for (const part of parts) {
      copyInto(elements, part.elements, offset);
      offset += part.elements.length;
    }
    return { ...model, shape, elements };
  });
}

/** Cuts each tensor into pieces of `rows`; undefined when a tensor's leading dimension is not their sum. */
export function splitRows(tensors: readonly Tensor[], rows: readonly number[]): Tensor[][] | undefined {
  const total = rows.reduce((sum, count) => sum + count, 0);
  if (tensors.some(({ shape }) => shape[0] !== total)) return undefined;
  let start = 0;
  return rows.map((count) => {
    const piece = tensors.map((tensor) => sliceRows(tensor, start, count));
    start += count;
    return piece;
  });
}

/** Rows `start` to `start + count`: a view where the datatype allows one. */
export function sliceRows(tensor: Tensor, start: number, count: number): Tensor {
  const perRow = elementCount(tensor.shape.slice(1));
  const [from, to] = [start * perRow, (start + count) * perRow];
  const { elements } = tensor;
  const piece: Elements = Array.isArray(elements) ? elements.slice(from, to) : elements.subarray(from, to);
  return { ...tensor, shape: [count, ...tensor.shape.slice(1)], elements: piece };
}
