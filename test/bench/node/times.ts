/** How long each part of the node's benchmark measures. */
export interface Times {
  /** Unmeasured load on each server before its first window: until then its code is compiled, and its batcher learns. */
  readonly warmupMs: number;
  /** One window; a slow model's is longer where it must be for every connection to be answered. */
  readonly windowMs: number;
  readonly rounds: number;
  /** At the concurrency that the targets are about. */
  readonly targetRounds: number;
  /** Windows of each fixed batch size, by which the best one is picked. */
  readonly sizeRounds: number;
  /** Windows of the best fixed size, and of the batcher beside it. */
  readonly duelRounds: number;
  readonly openMs: number;
  readonly openRounds: number;
  readonly healthMs: number;
  readonly codecRuns: number;
  readonly concurrencies: readonly number[];
}

export const fullTimes: Times = {
  warmupMs: 2_000,
  windowMs: 700,
  rounds: 2,
  targetRounds: 6,
  sizeRounds: 4,
  duelRounds: 12,
  openMs: 1_200,
  openRounds: 2,
  healthMs: 8_000,
  codecRuns: 60,
  concurrencies: [1, 8, 64],
};
/** Enough to see that everything works and roughly where it stands. */
export const quickTimes: Times = {
  warmupMs: 800,
  windowMs: 300,
  rounds: 1,
  targetRounds: 1,
  sizeRounds: 1,
  duelRounds: 2,
  openMs: 400,
  openRounds: 1,
  healthMs: 1_000,
  codecRuns: 10,
  concurrencies: [64],
};
