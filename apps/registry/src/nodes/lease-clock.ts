/**
 * Whether missed renewals can be held against the nodes. After this process, the database or the clock of this machine
 * was away, nobody could renew; so leases end only once the sweeper's own ticks have gone well for a whole lease.
 */
export class LeaseClock {
  private steadySinceMs: number | undefined;
  private lastTickMs = 0;

  /** @param maxGapMs between two ticks; a longer one means that this process was not running */
  constructor(
    private readonly leaseMs: number,
    private readonly maxGapMs: number,
  ) {}

  /** Called when the database has answered; says whether nodes may lose their leases now. */
  tick(nowMs: number): boolean {
    const gapMs = nowMs - this.lastTickMs;
    if (this.steadySinceMs === undefined || gapMs > this.maxGapMs || gapMs < 0) this.steadySinceMs = nowMs;
    this.lastTickMs = nowMs;
    return nowMs - this.steadySinceMs >= this.leaseMs;
  }

  /** A tick failed: begin again. */
  reset(): void {
    this.steadySinceMs = undefined;
  }
}
