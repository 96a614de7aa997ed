/**
 * The runner's side of inference: takes requests as they arrive, decodes, runs and encodes them in order, and answers in
 * frames. Requests that were cancelled or whose time is up before their turn are skipped. Fast models run several requests
 * per event-loop turn, so that reading and writing cost one system call for all of them.
 */
import { requestDecoder } from '#inference/oip-request';
import { responseEncoder } from '#inference/oip-response';
import type { ModelLabel } from '#inference/oip-response';
import { TensorError } from '#inference/errors';
import type { Tensor } from '#inference/tensor';
import type { Signature } from '#contracts/tensors';
import { encodeMessage, fromRunner } from './messages.js';
import type { FailureMessage } from './messages.js';
import { cleanReason } from './reason.js';

export interface Model {
  readonly signature: Signature;
  run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]>;
}

export interface AnswerSink {
  send(id: number, kind: number, ...parts: readonly Buffer[]): void;
  flush(): void;
}

interface Waiting {
  readonly id: number;
  readonly body: Buffer;
  readonly deadlineMs: number;
}

/** Time that one event-loop turn may spend on requests before it looks at the socket again. */
const turnBudgetMs = 2;
const maxPerTurn = 64;
/** Weight of the newest turn in the moving average of the time per request. */
const smoothing = 0.2;

const nothing = Buffer.alloc(0);

export class RequestQueue {
  private readonly waiting = new Map<number, Waiting>();
  private pumping = false;
  private requestMs = turnBudgetMs;
  private readonly decode: ReturnType<typeof requestDecoder>;
  private readonly encode: ReturnType<typeof responseEncoder>;

  constructor(
    private readonly model: Model,
    label: ModelLabel,
    private readonly sink: AnswerSink,
    private readonly nowMs: () => number,
  ) {
    this.decode = requestDecoder(model.signature);
    this.encode = responseEncoder(label);
  }

  add(id: number, body: Buffer, timeoutMs: number): void {
    this.waiting.set(id, { id, body, deadlineMs: this.nowMs() + timeoutMs });
    if (this.pumping) return;
    this.pumping = true;
    // After the rest of the chunk has been read: the first turn then sees all that arrived.
    queueMicrotask(() => void this.pump());
  }

  /** Skips the request unless it has begun, in which case its answer comes as usual. */
  cancel(id: number): void {
    if (this.waiting.delete(id)) this.sink.send(id, fromRunner.skipped, nothing);
  }

  private async pump(): Promise<void> {
    while (this.waiting.size > 0) {
      const start = this.nowMs();
      const turn = this.takeTurn(start);
      if (turn.length > 0) {
        await Promise.all(turn.map((request) => this.serve(request)));
        const perRequestMs = (this.nowMs() - start) / turn.length;
        this.requestMs += smoothing * (perRequestMs - this.requestMs);
      }
      this.sink.flush();
    }
    this.pumping = false;
  }

  private takeTurn(nowMs: number): Waiting[] {
    const most = Math.min(maxPerTurn, Math.max(1, Math.floor(turnBudgetMs / this.requestMs)));
    const turn: Waiting[] = [];
    for (const request of this.waiting.values()) {
      this.waiting.delete(request.id);
      if (request.deadlineMs < nowMs) this.sink.send(request.id, fromRunner.skipped, nothing);
      else if (turn.push(request) === most) break;
    }
    return turn;
  }

  /** Answers one request, with a result or with an error; never rejects. */
  private async serve({ id, body }: Waiting): Promise<void> {
    try {
      const request = this.decode(body);
      const outputs = await this.model.run(request.inputs, request.outputs);
      this.sink.send(id, fromRunner.result, Buffer.from(this.encode(outputs, request.id)));
    } catch (error) {
      this.sink.send(id, fromRunner.failure, encodeMessage(failureOf(error)));
    }
  }
}

/** What ONNX Runtime says when a tensor does not fit the model in a way that the signature does not show. */
const misfit = /Got invalid dimensions for input|Invalid rank for input|Unexpected input data type/;

export function failureOf(error: unknown): FailureMessage {
  if (error instanceof TensorError) return { code: error.code, message: error.message };
  const message = cleanReason(error);
  return { code: misfit.test(message) ? 'INVALID_TENSOR' : 'RUNNER_FAILED', message };
}
