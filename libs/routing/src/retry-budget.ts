/** Retries may add at most a share to the load, so that they never turn a failure into a storm. Counted over the last ten seconds. */

export interface RetryBudgetPolicy {
  /** Retries per request. */
  readonly share: number;
  /** Retries per second that are always allowed. */
  readonly minPerSecond: number;
}

export const retryBudgetDefaults: RetryBudgetPolicy = { share: 0.2, minPerSecond: 3 };

const windowSeconds = 10;

/** One budget per gateway. */
export class RetryBudget {
  private readonly requests = new Float64Array(windowSeconds);
  private readonly retries = new Float64Array(windowSeconds);
  private second = 0;

  constructor(private readonly policy: RetryBudgetPolicy = retryBudgetDefaults) {}

  /** Counts a first try. */
  request(nowMs: number): void {
    const slot = this.turnTo(nowMs);
    this.requests[slot] = (this.requests[slot] ?? 0) + 1;
  }

  /** Takes one retry; false when the budget is used up. */
  tryRetry(nowMs: number): boolean {
    const slot = this.turnTo(nowMs);
    const allowed = this.policy.share * sum(this.requests) + this.policy.minPerSecond * windowSeconds;
    if (sum(this.retries) + 1 > allowed) return false;
    this.retries[slot] = (this.retries[slot] ?? 0) + 1;
    return true;
  }

  private turnTo(nowMs: number): number {
    const second = Math.max(this.second, Math.floor(nowMs / 1_000));
    const passed = Math.min(windowSeconds, second - this.second);
    for (let i = 0; i < passed; i++) {
      const slot = (second - i) % windowSeconds;
      this.requests[slot] = 0;
      this.retries[slot] = 0;
    }
    this.second = second;
    return second % windowSeconds;
  }
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
