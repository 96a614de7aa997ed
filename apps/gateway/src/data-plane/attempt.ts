/** One try at one replica: an undici handler that counts the replica's load and hands what comes back to its owner, until it is dropped. */
import type { Dispatcher } from 'undici';
import { sluiceHeaders } from '#contracts/oip';
import { hint, observe } from '#routing/balancer';
import type { AnswerControl, AnswerHandler } from './node-lane/answer.js';
import type { Replica } from './upstreams.js';

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Who gets what comes back. Nothing is called once the attempt is dropped. */
export interface AttemptOwner {
  onHeaders(attempt: Attempt, status: number, headers: ResponseHeaders): void;
  onData(attempt: Attempt, chunk: Buffer): void;
  onEnd(attempt: Attempt): void;
  onFailure(attempt: Attempt, error: Error): void;
}

const saneLoad = /^\d{1,6}$/;

const dropped = new Error('The gateway does not need this answer any more');

export class Attempt implements AnswerHandler, Dispatcher.DispatchHandler {
  /** Bytes of a response have arrived: the request must not be sent again. */
  answered = false;
  private controller: AnswerControl | undefined;
  private isDropped = false;
  private isOver = false;
  /** When the answer began; 0 before. */
  answeredMs = 0;
  private readonly startedMs = performance.now();

  constructor(
    readonly replica: Replica,
    private readonly owner: AttemptOwner,
  ) {
    replica.load.outstanding += 1;
  }

  /** Breaks off; the node sees its connection close. */
  drop(): void {
    this.isDropped = true;
    if (!this.isOver) this.controller?.abort(dropped);
  }

  /** Another one was faster: breaks off, and the time that this one took so far counts as its latency. */
  lose(): void {
    const nowMs = performance.now();
    observe(this.replica.load, nowMs - this.startedMs, nowMs);
    this.drop();
  }

  /** Reads the rest of the answer away, which keeps the connection. */
  ignore(): void {
    this.isDropped = true;
    this.controller?.resume();
  }

  pause(): void {
    this.controller?.pause();
  }

  resume(): void {
    this.controller?.resume();
  }

  onRequestStart(controller: AnswerControl): void {
    this.controller = controller;
    if (this.isDropped) controller.abort(dropped);
  }

  onResponseStart(_: AnswerControl, status: number, headers: ResponseHeaders): void {
    if (status < 200) return;
    this.answered = true;
    if (this.isDropped) return;
    const nowMs = performance.now();
    this.answeredMs = nowMs;
    if (status < 500) observe(this.replica.load, nowMs - this.startedMs, nowMs);
    const load = headers[sluiceHeaders.load];
    if (typeof load === 'string' && saneLoad.test(load)) hint(this.replica.load, Number(load), nowMs);
    this.owner.onHeaders(this, status, headers);
  }

  onResponseData(_: AnswerControl, chunk: Buffer): void {
    if (!this.isDropped) this.owner.onData(this, chunk);
  }

  onResponseEnd(): void {
    this.end();
    if (!this.isDropped) this.owner.onEnd(this);
  }

  onResponseError(_: AnswerControl, error: Error): void {
    this.end();
    if (!this.isDropped) this.owner.onFailure(this, error);
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.replica.load.outstanding -= 1;
  }
}
