/**
 * The runner's side of inference: decodes requests as they arrive, batches those that may share an execution as far as the
 * cost table says it pays, and answers in frames. An idle runner never waits (unless max_queue_delay_us says so); requests
 * that were cancelled, or cannot or did not make their deadline, are not run. A failing batch is run again one by one.
 */
import type { CostTable } from '#inference/batching/cost-table';
import { CostTables } from '#inference/batching/cost-tables';
import { gather, inOrder } from '#inference/batching/gather';
import { groupKey, rowsOf } from '#inference/batching/rows';
import { createDecoder } from '#inference/codec';
import type { Decode, ModelLabel } from '#inference/codec';
import type { CodecLimits } from '#inference/limits';
import type { Batching, Signature } from '#contracts/tensors';
import { BatchExecutor, sendFailure } from './batch-executor.js';
import type { AnswerSink, Waiting } from './batch-executor.js';
import type { Runnable } from './execute.js';
import { failureOf, tooLate } from './failure-of.js';
import { encodeTimeout, fromRunner } from './messages.js';
import type { InferHead } from './messages.js';

export interface Model extends Runnable {
  readonly signature: Signature;
}

export interface QueueOptions {
  readonly label: ModelLabel;
  readonly limits?: CodecLimits;
  readonly batching: Pick<Batching, 'enabled' | 'costs'>;
  /** null: as the costs say. */
  readonly maxBatchRows: number | null;
  readonly maxQueueDelayMs: number;
  /** Whether the leading dimension of its inputs counts rows. */
  readonly hasRows: boolean;
  /** Whether the costs are of the one shape that its rows have; else requests may be of others. */
  readonly isTypical: boolean;
}

/** Arrived, not decoded yet. */
interface Arrived {
  readonly id: number;
  readonly body: Buffer;
  readonly head: InferHead;
  readonly arrivedMs: number;
}

/** Time that one event-loop turn may spend on requests before it looks at the socket again. */
const turnBudgetMs = 2;
const maxPerTurn = 64;
/** Weight of the newest turn in the moving average of the time per execution. */
const smoothing = 0.2;

const nothing = Buffer.alloc(0);

export class RequestQueue {
  // Lists, not maps by id: an outgrown table of a map would keep its dead requests alive until a full collection.
  private arrived: Arrived[] = [];
  /** In the order of arrival. */
  private waiting: Waiting[] = [];
  private readonly costs: CostTables;
  private readonly decode: Decode;
  private pumping = false;
  private readonly executor: BatchExecutor;
  private executionMs = turnBudgetMs;
  /** Ends a wait for company early. */
  private wake: () => void = () => undefined;

  constructor(
    model: Model,
    private readonly options: QueueOptions,
    private readonly sink: AnswerSink,
    private readonly nowMs: () => number,
  ) {
    this.decode = createDecoder(model.signature, options.label, options.limits);
    this.costs = new CostTables(options.batching.costs, !options.isTypical);
    this.executor = new BatchExecutor(model, sink, nowMs);
  }

  add(id: number, body: Buffer, head: InferHead): void {
    this.arrived.push({ id, body, head, arrivedMs: head.submittedMs });
    this.wake();
    if (this.pumping) return;
    this.pumping = true;
    // After the rest of the chunk has been read: the first turn then sees all that arrived.
    queueMicrotask(() => void this.pump());
  }

  /** Skips the request unless it has begun, in which case its answer comes as usual. */
  cancel(id: number): void {
    const inside = this.arrived.length + this.waiting.length;
    this.arrived = this.arrived.filter((one) => one.id !== id);
    this.waiting = this.waiting.filter((one) => one.id !== id);
    if (this.arrived.length + this.waiting.length < inside) this.sink.send(id, fromRunner.skipped, nothing);
  }

  private async pump(): Promise<void> {
    while (this.arrived.length > 0 || this.waiting.length > 0) {
      const ahead = this.rowsOfKinds();
      const { arrived } = this;
      this.arrived = [];
      for (const request of arrived) this.admit(request, ahead);
      const start = this.nowMs();
      const turn = this.takeTurn(start);
      if (turn.length > 0) {
        await Promise.all(turn.map((members) => this.executor.serve(members, this.pieceRows(members))));
        this.learn(turn, this.nowMs() - start);
      } else if (this.waiting.length > 0) await this.company(start);
      this.sink.flush();
    }
    this.pumping = false;
  }

  /** Decodes a request; answers at once what is wrong with it, or that its deadline cannot be met behind the others. */
  private admit({ id, body, head, arrivedMs }: Arrived, ahead: Map<CostTable, number>): void {
    const start = this.nowMs();
    let deadlineMs = arrivedMs + head.timeoutMs;
    if (deadlineMs < start) return this.sink.send(id, fromRunner.skipped, nothing);
    try {
      const request = this.decode(head.protocol, body, head.headerLength);
      const timeoutMs = request.timeoutUs ? request.timeoutUs / 1_000 : Infinity;
      if (timeoutMs < head.timeoutMs) {
        deadlineMs = arrivedMs + timeoutMs;
        this.tellTimeout(id, timeoutMs);
      }
      const items = this.options.hasRows ? (rowsOf(request.inputs) ?? 1) : 1;
      const commonRows = this.options.batching.enabled ? rowsOf(request.inputs) : undefined;
      const key = commonRows === undefined ? undefined : groupKey(request.inputs, request.outputs);
      const rows = commonRows ?? 1;
      const costs = this.costs.of(key ?? '');
      const now = this.nowMs();
      const rowsAhead = ahead.get(costs) ?? 0;
      ahead.set(costs, rowsAhead + rows);
      if (this.waiting.length > 0 && now + this.backlogMs(ahead) > deadlineMs) {
        ahead.set(costs, rowsAhead);
        return sendFailure(this.sink, id, tooLate);
      }
      const inputUs = (now - start) * 1_000;
      const { priority } = request;
      this.waiting.push({
        id,
        request,
        key,
        rows,
        costs,
        items,
        priority,
        arrivedMs,
        deadlineMs,
        inputUs,
      });
    } catch (error) {
      sendFailure(this.sink, id, failureOf(error));
    }
  }

  /** At once, as the execution that follows may take longer than that. */
  private tellTimeout(id: number, timeoutMs: number): void {
    this.sink.send(id, fromRunner.timeout, encodeTimeout(timeoutMs));
    this.sink.flush();
  }

  /** How many rows of each kind wait. */
  private rowsOfKinds(): Map<CostTable, number> {
    const kinds = new Map<CostTable, number>();
    for (const { costs, rows } of this.waiting) kinds.set(costs, (kinds.get(costs) ?? 0) + rows);
    return kinds;
  }

  /** Predicted time until all these rows, the newest request's among them, would be done. */
  private backlogMs(rowsOfKinds: ReadonlyMap<CostTable, number>): number {
    if (!this.options.batching.enabled) return (this.waiting.length + 1) * this.executionMs;
    let ms = 0;
    for (const [kind, total] of rowsOfKinds) {
      const limit = this.limit(kind);
      ms += total <= limit ? kind.predictMs(total) : (total / limit) * kind.predictMs(limit);
    }
    return ms;
  }

  private limit(costs: CostTable): number {
    const { batching, maxBatchRows } = this.options;
    if (!batching.enabled) return 1;
    return maxBatchRows ?? costs.limit();
  }

  /** A request that alone is larger is cut to pieces of so many rows. */
  private pieceRows([first]: readonly Waiting[]): number {
    return first && this.options.batching.enabled ? this.limit(first.costs) : Infinity;
  }

  /** The executions of one turn: as many as its time allows, at least one. */
  private takeTurn(nowMs: number): Waiting[][] {
    this.skipLate(nowMs);
    const most = Math.min(maxPerTurn, Math.max(1, Math.floor(turnBudgetMs / this.executionMs)));
    const turn: Waiting[][] = [];
    const begun = new Set<Waiting>();
    let ordered = inOrder(this.waiting);
    while (turn.length < most && ordered.length > 0) {
      const [first] = ordered;
      if (!first) break;
      const members = gather(ordered, this.limit(first.costs));
      const taken = new Set(members);
      ordered = ordered.filter((one) => !taken.has(one));
      if (this.isWorthWaiting(first, members, nowMs)) continue;
      for (const member of members) begun.add(member);
      turn.push(members);
    }
    this.waiting = this.waiting.filter((one) => !begun.has(one));
    return turn;
  }

  private skipLate(nowMs: number): void {
    const isLate = ({ deadlineMs }: Waiting): boolean => deadlineMs < nowMs;
    if (!this.waiting.some(isLate)) return;
    for (const { id } of this.waiting.filter(isLate)) this.sink.send(id, fromRunner.skipped, nothing);
    this.waiting = this.waiting.filter((one) => !isLate(one));
  }

  private isWorthWaiting({ key, costs }: Waiting, members: readonly Waiting[], nowMs: number): boolean {
    const { maxQueueDelayMs } = this.options;
    if (maxQueueDelayMs === 0 || key === undefined || rowsIn(members) >= this.limit(costs)) return false;
    return members.every(({ arrivedMs }) => nowMs - arrivedMs < maxQueueDelayMs);
  }

  /** Waits for more requests, as long as the config allows the oldest to be delayed. */
  private company(nowMs: number): Promise<void> {
    let oldestMs = nowMs;
    for (const { arrivedMs } of this.waiting) oldestMs = Math.min(oldestMs, arrivedMs);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, oldestMs + this.options.maxQueueDelayMs - nowMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private learn(turn: readonly (readonly Waiting[])[], spentMs: number): void {
    this.executionMs += smoothing * (spentMs / turn.length - this.executionMs);
  }
}

const rowsIn = (members: readonly Waiting[]): number => members.reduce((sum, { rows }) => sum + rows, 0);
