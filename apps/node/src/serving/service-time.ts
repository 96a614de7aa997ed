/** What one request takes of a runner, learned from the answers: a moving average over executions. */
import type { Timing } from './outcome.js';

/** Weight of the newest execution. */
const smoothing = 0.2;

export class ServiceTime {
  private averageMs: number | undefined;
  /** Of the execution whose answers come in now. */
  private spentUs = 0;
  private requests = 0;

  /** Milliseconds; 0 before the first execution is complete. */
  get perRequestMs(): number {
    return this.averageMs ?? 0;
  }

  /** The answers of one execution follow each other, the one that carries its `batchRows` first. */
  add({ batchRows, inputUs, inferUs, outputUs }: Timing): void {
    if (batchRows > 0) {
      this.fold();
      this.spentUs = inferUs;
    }
    this.requests += 1;
    this.spentUs += inputUs + outputUs;
  }

  private fold(): void {
    if (this.requests === 0) return;
    const sampleMs = this.spentUs / this.requests / 1_000;
    this.averageMs =
      this.averageMs === undefined ? sampleMs : this.averageMs + smoothing * (sampleMs - this.averageMs);
    this.requests = 0;
  }
}
