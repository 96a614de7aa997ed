/** One execution for one or several requests: joined on their rows, cut to an efficient size, given back to each. */
import { joinRows, rowsOf, sliceRows, splitRows } from '#inference/batching/rows';
import type { DecodedRequest } from '#inference/codec';
import type { Tensor } from '#inference/tensor';

interface Runnable {
  run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]>;
}

/**
 * The outputs of each request. A single request of more than `maxRows` rows is run in pieces.
 * @param maxRows Infinity: the model's requests are not cut
 * @throws what ONNX Runtime throws, or when the model does not give back as many rows as it got
 */
export async function execute(
  model: Runnable,
  requests: readonly DecodedRequest[],
  maxRows: number,
): Promise<Tensor[][]> {
  const [first] = requests;
  if (!first) return [];
  const { outputs } = first;
  if (requests.length === 1) {
    const rows = rowsOf(first.inputs) ?? 1;
    return [
      rows > maxRows ? await inPieces(model, first, rows, maxRows) : await model.run(first.inputs, outputs),
    ];
  }
  const inputs = requests.map((request) => request.inputs);
  const rows = inputs.map((tensors) => rowsOf(tensors) ?? 1);
  const results = splitRows(await model.run(joinRows(inputs), outputs), rows);
  if (!results) throw new Error('the model gave back another number of rows than it got');
  return results;
}

async function inPieces(
  model: Runnable,
  { inputs, outputs }: DecodedRequest,
  rows: number,
  maxRows: number,
): Promise<Tensor[]> {
  const pieces: Tensor[][] = [];
  for (let start = 0; start < rows; start += maxRows) {
    const count = Math.min(maxRows, rows - start);
    const piece = await model.run(
      inputs.map((tensor) => sliceRows(tensor, start, count)),
      outputs,
    );
    // A model whose rows depend on each other must see them all.
    if (piece.some(({ shape }) => shape[0] !== count)) return model.run(inputs, outputs);
    pieces.push(piece);
  }
  return joinRows(pieces);
}
