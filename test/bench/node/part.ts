/** One part of the benchmark's section: its tables, and what of them has a target. */
export interface Part {
  readonly text: string;
  /** What was measured, and the figure beside its target. */
  readonly targets: readonly (readonly [what: string, figure: string])[];
}
