/** How long each part of the node's benchmark measures. */
export interface Times {
  readonly closedMs: number;
  /** For models whose executions are long beside `closedMs`. */
  readonly closedSlowMs: number;
  readonly openMs: number;
  readonly healthMs: number;
  readonly codecRuns: number;
  readonly concurrencies: readonly number[];
}

export const fullTimes: Times = {
  closedMs: 1_500,
  closedSlowMs: 2_500,
  openMs: 3_000,
  healthMs: 5_000,
  codecRuns: 60,
  concurrencies: [1, 8, 64],
};
/** Enough to see that everything works and roughly where it stands. */
export const quickTimes: Times = {
  closedMs: 300,
  closedSlowMs: 400,
  openMs: 400,
  healthMs: 1_000,
  codecRuns: 10,
  concurrencies: [8],
};
