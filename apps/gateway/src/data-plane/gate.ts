/**
 * The gate before the replicas of one version: so many requests are under way at a time, a few more wait a short while, and the
 * rest is turned away at once. It outlives snapshots.
 */
import { adapt, gradientDefaults, newGradientLimit } from '#routing/gradient-limit';
import type { GradientLimit, GradientPolicy } from '#routing/gradient-limit';
import { LatencyWindow } from '#routing/latency-window';

export interface GateSettings {
  /** Requests under way at one replica; also the size of its connection pool. */
  readonly maxConnectionsPerNode: number;
  /** Requests of one version that may wait for room. */
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  /** Whether the limit follows the latency, below the fixed bound. */
  readonly adaptiveLimit: boolean;
}

export interface Visitor {
  /** Kept by the gate. */
  isInside: boolean;
  onEntered(): void;
  onTurnedAway(): void;
}

export class Gate {
  inFlight = 0;
  /** 0 while there is no replica: then nobody waits, for nothing that could be waited for would help. */
  private bound = 0;
  private isLettingIn = false;
  private readonly waiting = new Map<Visitor, NodeJS.Timeout>();
  private gradient: GradientLimit | undefined;
  private policy: GradientPolicy = { ...gradientDefaults, max: 0 };
  /** Kept from the first time that somebody asks. */
  private latencies: LatencyWindow | undefined;

  constructor(private readonly settings: GateSettings) {}

  get limit(): number {
    if (this.bound === 0) return Infinity;
    return this.gradient ? Math.min(this.bound, Math.floor(this.gradient.limit)) : this.bound;
  }

  get waitingCount(): number {
    return this.waiting.size;
  }

  /** How long all but the slowest 5 % of the latest answers took; undefined before enough have come. */
  usualMs(): number | undefined {
    this.latencies ??= new LatencyWindow(0.95);
    return this.latencies.quantileMs();
  }

  /** Follows the number of replicas. With none, all who wait are let in: they find out that they must go elsewhere. */
  resize(replicas: number): void {
    this.bound = replicas * this.settings.maxConnectionsPerNode;
    if (this.settings.adaptiveLimit && this.bound > 0) {
      this.policy = { ...gradientDefaults, max: this.bound };
      this.gradient ??= newGradientLimit(this.policy);
    }
    this.letIn();
  }

  /** Lets the visitor in, now or soon, or turns it away. Whoever calls this calls {@link leave} at the end, in any case. */
  enter(visitor: Visitor): void {
    if (this.inFlight < this.limit && this.waiting.size === 0) return this.admit(visitor);
    const { maxWaiting, maxWaitMs } = this.settings;
    if (this.waiting.size >= maxWaiting) return visitor.onTurnedAway();
    const timer = setTimeout(() => {
      this.waiting.delete(visitor);
      visitor.onTurnedAway();
    }, maxWaitMs);
    this.waiting.set(visitor, timer);
  }

  /** The visitor is done, or gone while it waited. @param latencyMs of its answer; undefined when there was none to learn from */
  leave(visitor: Visitor, latencyMs: number | undefined): void {
    if (!visitor.isInside) {
      clearTimeout(this.waiting.get(visitor));
      this.waiting.delete(visitor);
      return;
    }
    if (latencyMs !== undefined) this.latencies?.add(latencyMs);
    if (this.gradient && latencyMs !== undefined) adapt(this.gradient, latencyMs, this.inFlight, this.policy);
    visitor.isInside = false;
    this.inFlight -= 1;
    if (this.waiting.size > 0) this.letIn();
  }

  private letIn(): void {
    // Who is let in may leave at once, for another gate: that goes on here, or each would stand on the stack of the one before.
    if (this.isLettingIn) return;
    this.isLettingIn = true;
    try {
      for (const [visitor, timer] of this.waiting) {
        if (this.inFlight >= this.limit) return;
        clearTimeout(timer);
        this.waiting.delete(visitor);
        this.admit(visitor);
      }
    } finally {
      this.isLettingIn = false;
    }
  }

  private admit(visitor: Visitor): void {
    this.inFlight += 1;
    visitor.isInside = true;
    visitor.onEntered();
  }
}
