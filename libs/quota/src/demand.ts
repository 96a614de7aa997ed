/** How much of a count is asked for at a time: enough for a while, by the rate at which it goes. */
import type { SnapshotQuota } from '#contracts/snapshot';
import type { Costs } from './costs.js';

/** Blocks are asked for in this size at least, so that a busy count costs few calls. */
const smallestBlock: Costs = {
  requests: 100,
  rows: 1_000,
  bytes: 1_048_576,
  compute_ms: 1_000,
  concurrency: 8,
};
/** A block should last this long. */
const blockMs = 2_000;

export class Demand {
  ratePerMs = 0;
  private taken = 0;
  private lastGranted = 0;
  private lastGrantedMs = -Infinity;

  constructor(private readonly unit: SnapshotQuota['unit']) {}

  noteTaken(amount: number): void {
    this.taken += amount;
  }

  noteGranted(amount: number, nowMs: number): void {
    this.lastGranted = amount;
    this.lastGrantedMs = nowMs;
  }

  /** Takes what was taken in the time that passed into the rate. */
  measure(elapsedMs: number): void {
    this.ratePerMs = (this.ratePerMs + this.taken / Math.max(1, elapsedMs)) / 2;
    this.taken = 0;
  }

  /** As much as should last for `blockMs`: by the rate that was seen, or twice the last block if that was gone too soon to see any. */
  block(nowMs: number): number {
    const wasQuick = nowMs - this.lastGrantedMs < blockMs / 2;
    const twice = wasQuick ? 2 * this.lastGranted : 0;
    return Math.max(smallestBlock[this.unit], Math.ceil(this.ratePerMs * blockMs), twice);
  }
}
