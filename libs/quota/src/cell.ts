/**
 * What one gateway holds of one count: tokens that it may spend until a deadline on its own monotonic clock, measured from before
 * the call that brought them. A token is taken at admission and, when the request is over, either spent for good or free again.
 */
import type { LeaseGrant, LeaseItem } from '#contracts/quotas';
import type { SnapshotQuota } from '#contracts/snapshot';

/** What a request costs, or is thought to cost at most, in each unit. */
export type Costs = Readonly<Record<SnapshotQuota['unit'], number>>;

/** Of a request under quotas that only count requests. */
export const oneRequest: Costs = { requests: 1, bytes: 0, compute_ms: 0, concurrency: 1 };
export const noCosts: Costs = { requests: 0, bytes: 0, compute_ms: 0, concurrency: 0 };

/** Blocks are asked for in this size at least, so that a busy count costs few calls. */
const smallestBlock: Costs = { requests: 100, bytes: 1_048_576, compute_ms: 1_000, concurrency: 8 };
/** A block should last this long. */
const blockMs = 2_000;
/** After a refusal, how long until the ledger is asked again while other gateways hold tokens that they may give back. */
const askAgainMs = 250;

/** Of all counts of a quota together. */
export interface Tally {
  denied: number;
  /** Refused, because without the registry nobody could say. */
  unavailable: number;
  /** In shadow mode: would have been refused. */
  shadowDenied: number;
}

export class Cell {
  /** Tokens that may be taken. */
  remaining = 0;
  /** Tokens used up and not yet reported. */
  spent = 0;
  /** Tokens that the ledger counts as ours. */
  held = 0;
  /** Neither used nor held by anybody, when the ledger last answered. */
  left = 0;
  /** Held by other gateways, when the ledger last answered. */
  elsewhere = 0;
  /** When the window ends; Infinity without windows. */
  endsAtMs = Infinity;
  validUntilMs = -Infinity;
  /** Below it, more is asked for. */
  lowWater = 0;
  lastTakenMs = -Infinity;
  /** Already on the list for the next call. */
  queued = false;
  /** For requests that wait for the next call. */
  waiting = 0;
  private asked = 0;
  private window = 0;
  /** Charges from before belong to another window or to a lost lease. */
  private sinceMs = -Infinity;
  private shortUntilMs = -Infinity;
  private taken = 0;
  private ratePerMs = 0;
  private toRelease = 0;
  private shareUntilMs = -Infinity;
  private shareLeft = 0;

  constructor(
    public quota: SnapshotQuota,
    readonly key: string,
    readonly tally: Tally = { denied: 0, unavailable: 0, shadowDenied: 0 },
  ) {}

  get enforced(): boolean {
    return this.quota.mode === 'enforce';
  }

  /** As the ledger last said, with what was spent here since. */
  get used(): number {
    return this.quota.limit - this.left - this.elsewhere - this.held + this.spent;
  }

  /** Held by gateways and not spent. */
  get reserved(): number {
    return this.elsewhere + this.held - this.spent;
  }

  holds(amount: number, nowMs: number): boolean {
    return this.remaining >= amount && nowMs < this.validUntilMs;
  }

  /** Whether the ledger said that there is no more. */
  isShort(nowMs: number): boolean {
    return nowMs < this.shortUntilMs;
  }

  take(amount: number, nowMs: number): void {
    this.lastTakenMs = nowMs;
    this.taken += amount;
    if (this.holds(amount, nowMs)) this.remaining -= amount;
    else if (!this.enforced) this.tally.shadowDenied += 1;
  }

  /** The request that took `reserved` used `actual`. */
  settle(reserved: number, actual: number, takenAtMs: number): void {
    if (takenAtMs < this.sinceMs) return;
    const used = this.quota.unit === 'concurrency' ? 0 : Math.min(actual, this.held - this.spent);
    this.spent += used;
    this.remaining = Math.min(this.remaining + reserved - used, this.held - this.spent);
  }

  /** Without the registry: a part of the limit for this gateway alone, in windows of its own. */
  takeShare(amount: number, gateways: number, spanMs: number, nowMs: number): boolean {
    if (nowMs >= this.shareUntilMs) {
      this.shareUntilMs = nowMs + spanMs;
      this.shareLeft = Math.max(1, Math.floor(this.quota.limit / gateways));
    }
    if (this.shareLeft < amount) return false;
    this.shareLeft -= amount;
    return true;
  }

  /** Looks at what is held. @returns whether the ledger should hear of it */
  review(nowMs: number, elapsedMs: number, idleMs: number, renewMs: number, isShared: boolean): boolean {
    this.ratePerMs = (this.ratePerMs + this.taken / Math.max(1, elapsedMs)) / 2;
    this.taken = 0;
    if (this.held <= 0) return false;
    const isIdle = nowMs - this.lastTakenMs > idleMs;
    if (isIdle) this.offerAll();
    else if (isShared && this.left < this.remaining)
      this.toRelease = Math.max(0, this.remaining - Math.ceil(this.ratePerMs * 1_000) - 1);
    return this.toRelease > 0 || (isIdle && this.spent > 0) || this.validUntilMs - nowMs < renewMs;
  }

  /** The limit changed or the count was reset: what is held goes back and the ledger is asked anew. */
  giveBack(): void {
    this.offerAll();
    this.shortUntilMs = -Infinity;
  }

  /** What to tell the ledger. What is given back cannot be taken any more. */
  report(nowMs: number): LeaseItem {
    const { id, unit } = this.quota;
    const released = Math.max(0, Math.min(this.toRelease, this.remaining));
    const isBusy = this.waiting > 0 || (released === 0 && this.remaining < this.lowWater);
    const block = Math.max(smallestBlock[unit], Math.ceil(this.ratePerMs * blockMs));
    const item: LeaseItem = {
      quota_id: id,
      key: this.key,
      window_start: this.window,
      held: this.held,
      spent: this.spent,
      released,
      need: this.waiting,
      want: isBusy && nowMs - this.lastTakenMs < 60_000 ? block : this.waiting,
    };
    this.held -= this.spent + released;
    this.remaining -= released;
    this.spent = 0;
    this.toRelease = 0;
    this.asked = this.waiting;
    this.waiting = 0;
    this.queued = false;
    return item;
  }

  /** @param sentMs from before the call was sent */
  apply(grant: LeaseGrant, sentMs: number, leaseMs: number, nowMs: number): void {
    if (grant.lost || grant.window_start !== this.window) this.begin(grant.window_start, nowMs);
    this.remaining += grant.granted;
    this.held += grant.granted;
    this.left = grant.left;
    this.elsewhere = grant.elsewhere;
    this.endsAtMs = grant.ends_in_ms === null ? Infinity : sentMs + grant.ends_in_ms;
    this.validUntilMs = Math.min(sentMs + leaseMs, this.endsAtMs);
    this.lowWater = grant.left > 0 ? Math.ceil(grant.granted / 4) : 0;
    this.shortUntilMs = grant.granted < this.asked ? this.shortUntil(grant, nowMs) : -Infinity;
  }

  /** All that was held is gone. */
  begin(window: number, nowMs: number): void {
    this.window = window;
    this.sinceMs = nowMs;
    this.remaining = this.held = this.spent = 0;
    this.validUntilMs = -Infinity;
  }

  private offerAll(): void {
    this.toRelease = this.remaining;
    this.lowWater = 0;
  }

  private shortUntil({ elsewhere }: LeaseGrant, nowMs: number): number {
    if (elsewhere === 0 && this.endsAtMs !== Infinity && this.held === this.remaining) return this.endsAtMs;
    return Math.min(this.endsAtMs, nowMs + askAgainMs);
  }
}
