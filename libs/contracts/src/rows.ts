/** Rows (batch items): which models have them, and how many a body has room for. */
import type { Datatype, Signature } from './tensors.js';

/** Whether the leading dimension of every input counts rows; else a request is one. */
export const hasRows = ({ inputs }: Signature): boolean =>
  inputs.length > 0 && inputs.every(({ shape }) => shape[0] === -1);

/** Of one element, in any of the protocols: binary, or JSON with its comma. */
const leastBytes: Readonly<Record<Datatype, number>> = {
  BOOL: 1,
  UINT8: 1,
  INT8: 1,
  UINT16: 2,
  INT16: 2,
  FP16: 2,
  UINT32: 2,
  INT32: 2,
  FP32: 2,
  UINT64: 2,
  INT64: 2,
  FP64: 2,
  BYTES: 3,
};

/** The fewest bytes that one row can take in a body; null for models without rows. Dynamic dimensions count as 1. */
export function leastRowBytes(signature: Signature): number | null {
  if (!hasRows(signature)) return null;
  const ofInputs = signature.inputs.map(
    ({ shape, datatype }) =>
      leastBytes[datatype] * shape.slice(1).reduce((product, size) => product * Math.abs(size), 1),
  );
  return Math.max(
    1,
    ofInputs.reduce((sum, bytes) => sum + bytes, 0),
  );
}
