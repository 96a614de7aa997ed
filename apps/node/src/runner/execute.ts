/** One execution for one or several requests: joined on their rows, cut to an efficient size, given back to each. */
import { joinRows, rowsOf, sliceRows, splitRows } from '#inference/batching/rows';
import type { DecodedRequest } from '#inference/codec';
import type { Tensor } from '#inference/tensor';

export interface Runnable {
  run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]>;
}

export interface Executed {
  /** Of each request. */
  readonly outputs: readonly Tensor[][];
  /** Rows of each run of the model; when a request was cut, the last run may have had fewer. */
  readonly runRows: number;
}

/**
 * The outputs of the requests. A single request of more than `maxRows` rows is run in pieces.
 * @param maxRows Infinity: the model's requests are not cut
 * @throws what ONNX Runtime throws, or when the model does not give back as many rows as it got
 */
export async function execute(
  model: Runnable,
  requests: readonly DecodedRequest[],
  maxRows: number,
): Promise<Executed> {
  const [first] = requests;
  if (!first) return { outputs: [], runRows: 0 };
  const { outputs: names } = first;
  const inputs = requests.map((request) => request.inputs);
  const rows = inputs.map((tensors) => rowsOf(tensors) ?? 1);
  const total = rows.reduce((sum, count) => sum + count, 0);
  if (requests.length > 1) {
    const outputs = splitRows(await model.run(joinRows(inputs), names), rows);
    if (!outputs) throw new Error('the model gave back another number of rows than it got');
    return { outputs, runRows: total };
  }
  const pieces = total > maxRows ? await inPieces(model, first, total, maxRows) : undefined;
  if (pieces) return { outputs: [joinRows(pieces)], runRows: maxRows };
  return { outputs: [await model.run(first.inputs, names)], runRows: total };
}

/** Undefined when the model does not give back as many rows as it got: one whose rows depend on each other must see them all. */
async function inPieces(
  model: Runnable,
  { inputs, outputs }: DecodedRequest,
  rows: number,
  maxRows: number,
): Promise<Tensor[][] | undefined> {
  const pieces: Tensor[][] = [];
  for (let start = 0; start < rows; start += maxRows) {
    const count = Math.min(maxRows, rows - start);
    const piece = await model.run(
      inputs.map((tensor) => sliceRows(tensor, start, count)),
      outputs,
    );
    if (piece.some(({ shape }) => shape[0] !== count)) return undefined;
    pieces.push(piece);
  }
  return pieces;
}
