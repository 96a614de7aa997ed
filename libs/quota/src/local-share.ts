/** While the registry is away: a part of a limit for this gateway alone, in windows of its own. */
export class LocalShare {
  private untilMs = -Infinity;
  private left = 0;

  /** @returns whether the amount was there, and is taken */
  take(amount: number, share: number, windowMs: number, nowMs: number): boolean {
    if (nowMs >= this.untilMs) {
      this.untilMs = nowMs + windowMs;
      this.left = share;
    }
    if (this.left < amount) return false;
    this.left -= amount;
    return true;
  }
}
