/**
 * Runs what the queue has put together and answers each member with its result or its own error. It chooses nothing: who
 * runs with whom, and when, is the queue's business. A failing batch is run again one by one.
 */
import type { CostTable } from '#inference/batching/cost-table';
import type { Candidate } from '#inference/batching/gather';
import type { DecodedRequest } from '#inference/codec';
import type { Tensor } from '#inference/tensor';
import { execute } from './execute.js';
import type { Executed, Runnable } from './execute.js';
import { failureOf } from './failure-of.js';
import { encodeMessage, encodeResultHead, fromRunner } from './messages.js';
import type { FailureMessage } from './messages.js';
import { timed } from './timed.js';

export interface AnswerSink {
  send(id: number, kind: number, ...parts: readonly Buffer[]): void;
  flush(): void;
}

/** Decoded, and waiting for its execution. */
export interface Waiting extends Candidate {
  readonly id: number;
  readonly request: DecodedRequest;
  /** What requests of its kind cost. */
  readonly costs: CostTable;
  /** Rows as its caller sees them, whether or not they may be joined with others'. */
  readonly items: number;
  readonly arrivedMs: number;
  readonly deadlineMs: number;
  readonly inputUs: number;
}

/** What an answer tells of its execution. */
interface Execution {
  readonly startMs: number;
  readonly inferMs: number;
  /** Of all members. */
  readonly rows: number;
  /** Of one run of the model; 0 but in the first member's answer. */
  readonly batchRows: number;
}

export const sendFailure = (sink: AnswerSink, id: number, failure: FailureMessage): void =>
  sink.send(id, fromRunner.failure, encodeMessage(failure));

export class BatchExecutor {
  /** Executions of one turn are begun together and run one after the other: when the last one was done and answered. */
  private freeMs = 0;

  constructor(
    private readonly model: Runnable,
    private readonly sink: AnswerSink,
    private readonly nowMs: () => number,
  ) {}

  /** Never rejects. @param pieceRows a single request of more rows is cut */
  async serve(members: readonly Waiting[], pieceRows: number): Promise<void> {
    const [first] = members;
    if (!first) return;
    const rows = members.reduce((sum, member) => sum + member.rows, 0);
    const requests = members.map(({ request }) => request);
    try {
      const run = (): Promise<Executed> => execute(this.model, requests, pieceRows);
      const { result, startMs, ms: inferMs } = await timed(run, () => this.freeMs, this.nowMs);
      // Fewer than `rows` where a request was cut: then it is what one of its pieces cost that is learned.
      const batchRows = Math.min(rows, result.runRows);
      if (first.key !== undefined) first.costs.add({ rows: batchRows, ms: (inferMs * batchRows) / rows });
      for (const [index, member] of members.entries())
        this.answer(member, result.outputs[index] ?? [], {
          startMs,
          inferMs,
          rows,
          batchRows: index === 0 ? batchRows : 0,
        });
      this.freeMs = this.nowMs();
    } catch (error) {
      this.freeMs = this.nowMs();
      if (members.length === 1) return sendFailure(this.sink, first.id, failureOf(error));
      for (const member of members) await this.serve([member], pieceRows);
    }
  }

  private answer(
    member: Waiting,
    outputs: readonly Tensor[],
    { startMs, inferMs, rows, batchRows }: Execution,
  ): void {
    const encodeStart = this.nowMs();
    try {
      const { parts, headerLength } = member.request.encode(outputs);
      const outputUs = (this.nowMs() - encodeStart) * 1_000;
      const inferUs = inferMs * 1_000;
      const head = encodeResultHead({
        headerLength,
        rows: member.rows,
        batchRows,
        items: member.items,
        computeUs: member.inputUs + (inferUs * member.rows) / rows + outputUs,
        queueUs: Math.max(0, (startMs - member.arrivedMs) * 1_000 - member.inputUs),
        inputUs: member.inputUs,
        inferUs,
        outputUs,
      });
      this.sink.send(member.id, fromRunner.result, head, ...parts);
    } catch (error) {
      sendFailure(this.sink, member.id, failureOf(error));
    }
  }
}
