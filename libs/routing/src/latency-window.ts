/** The latest latencies of something, and where a share of them lies. Adding allocates nothing; sorting is put off until somebody asks. */

const size = 256;
/** Fewer say nothing of the slow ones. */
const minSamples = 20;
/** A quantile is found anew after so many. */
const staleAfter = 16;

export class LatencyWindow {
  private readonly samples = new Float64Array(size);
  private added = 0;
  private foundAt = -staleAfter;
  private found: number | undefined;

  /** @param share of the latencies that shall lie at or below */
  constructor(private readonly share: number) {}

  add(latencyMs: number): void {
    this.samples[this.added % size] = latencyMs;
    this.added += 1;
  }

  /** Undefined before there are enough to tell. */
  quantileMs(): number | undefined {
    if (this.added < minSamples) return undefined;
    if (this.found === undefined || this.added - this.foundAt >= staleAfter) {
      const sorted = this.samples.slice(0, Math.min(this.added, size)).sort();
      this.found = sorted[Math.ceil(sorted.length * this.share) - 1];
      this.foundAt = this.added;
    }
    return this.found;
  }
}
