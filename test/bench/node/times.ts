/** How long each part of the node's benchmark measures. */
export interface Times {
  /** One window; a slow model's is longer where it must be for every connection to be answered. */
  readonly windowMs: number;
  readonly rounds: number;
  /** More, as the best of six fixed sizes is picked by them. */
  readonly batcherRounds: number;
  readonly openMs: number;
  readonly openRounds: number;
  readonly healthMs: number;
  readonly codecRuns: number;
  readonly concurrencies: readonly number[];
}

export const fullTimes: Times = {
  windowMs: 700,
  rounds: 3,
  batcherRounds: 6,
  openMs: 1_200,
  openRounds: 2,
  healthMs: 8_000,
  codecRuns: 60,
  concurrencies: [1, 8, 64],
};
/** Enough to see that everything works and roughly where it stands. */
export const quickTimes: Times = {
  windowMs: 300,
  rounds: 1,
  batcherRounds: 1,
  openMs: 400,
  openRounds: 1,
  healthMs: 1_000,
  codecRuns: 10,
  concurrencies: [8],
};
