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
  let key = '';
  // The length keeps names apart, whatever they hold.
  for (const { name, datatype, shape } of inputs) {
    key += `${name.length}:${name}${datatype}`;
    for (let axis = 1; axis < shape.length; axis += 1) key += `,${shape[axis]}`;
    key += ';';
  }
  for (const name of outputs) key += `${name.length}:${name}`;
  return key;
}

function copyInto(target: Elements, source: Elements, offset: number): void {
  if (Array.isArray(target))
    for (const [index, value] of source.entries()) target[offset + index] = String(value);
  else (target as { set(from: Elements, offset: number): void }).set(source, offset);
}

/** The members' rows one after the other; their tensors have the same names, datatypes and trailing shapes. */
export function joinRows(members: readonly (readonly Tensor[])[]): Tensor[] {
  const [first = []] = members;
  return members.length === 1 ? [...first] : first.map((_, index) => joinColumn(members, index));
}

function joinColumn(members: readonly (readonly Tensor[])[], index: number): Tensor {
  const [first] = members;
  const model = first?.[index];
  if (!model) throw new RangeError(`the first member has no tensor ${index}`);
  const { name, datatype } = model;
  let rows = 0;
  for (const tensors of members) rows += tensors[index]?.shape[0] ?? 0;
  const shape = [rows, ...model.shape.slice(1)];
  const elements = allocate(datatype, elementCount(shape));
  let offset = 0;
  for (const tensors of members) {
    const part = tensors[index]?.elements ?? [];
    copyInto(elements, part, offset);
    offset += part.length;
  }
  return { name, datatype, shape, elements };
}

/** Cuts each tensor into pieces of `rows`; undefined when a tensor's leading dimension is not their sum. */
export function splitRows(tensors: readonly Tensor[], rows: readonly number[]): Tensor[][] | undefined {
  const total = rows.reduce((sum, count) => sum + count, 0);
  if (tensors.some(({ shape }) => shape[0] !== total)) return undefined;
  const slicers = tensors.map(rowSlicer);
  let start = 0;
  return rows.map((count) => {
    const piece = slicers.map((slice) => slice(start, count));
    start += count;
    return piece;
  });
}

/** Rows `start` to `start + count`: a view where the datatype allows one. */
export const sliceRows = (tensor: Tensor, start: number, count: number): Tensor =>
  rowSlicer(tensor)(start, count);

function rowSlicer({ name, datatype, shape, elements }: Tensor): (start: number, count: number) => Tensor {
  const inner = shape.slice(1);
  const perRow = elementCount(inner);
  return (start, count) => {
    const [from, to] = [start * perRow, (start + count) * perRow];
    const piece: Elements = Array.isArray(elements) ? elements.slice(from, to) : elements.subarray(from, to);
    return { name, datatype, shape: [count, ...inner], elements: piece };
  };
}
