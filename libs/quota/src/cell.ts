/**
 * What one gateway holds of one count: tokens that it may spend until deadlines on its own monotonic clock. A token is taken at
 * admission and, when the request is over, either spent for good or free again. Around the end of a window it is not known to the
 * millisecond which window a request belongs to: there it is charged to both.
 */
import type { LeaseGrant, LeaseItem } from '#contracts/quotas';
import type { SnapshotQuota } from '#contracts/snapshot';

/** What a request costs, or is thought to cost at most, in each unit. */
export type Costs = Readonly<Record<SnapshotQuota['unit'], number>>;

/** Of a request under quotas that only count requests. */
export const oneRequest: Costs = { requests: 1, rows: 0, bytes: 0, compute_ms: 0, concurrency: 1 };
export const noCosts: Costs = { requests: 0, rows: 0, bytes: 0, compute_ms: 0, concurrency: 0 };

/** Blocks are asked for in this size at least, so that a busy count costs few calls. */
const smallestBlock: Costs = {
  requests: 100,
  rows: 1_000,
  bytes: 1_048_576,
  compute_ms: 1_000,
  concurrency: 8,
};
/** A block should last this long. */
const blockMs = 2_000;
/** After a refusal, how long until the ledger is asked again while other gateways hold tokens that they may give back. */
const askAgainMs = 250;
/** What was spent is told at least so often. */
const reportEveryMs = 5_000;
/** The next window's block is asked for so long before that window begins, or half a window if that is shorter. */
const leadMs = 2_000;
/** How far this clock and the ledger's can drift apart: NTP slews by 500 ppm at most. */
const drift = 0.0005;

/** Until when a gateway may spend all that it holds: until its lease ends, unless the ledger hears of it again. */
export interface Term {
  untilMs: number;
}

/** Of all counts of a quota together. */
export interface Tally {
  denied: number;
  /** Refused, because without the registry nobody could say. */
  unavailable: number;
  /** In shadow mode: would have been refused. */
  shadowDenied: number;
  /** Admitted without the ledger, as the outage policy allows. */
  uncounted: number;
}

export const newTally = (): Tally => ({ denied: 0, unavailable: 0, shadowDenied: 0, uncounted: 0 });

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
  /** The greatest share of the limit that the ledger has told of in this window. */
  alerted = 0;
  /** Before it the window has not ended; Infinity without windows. */
  endsAtMs = Infinity;
  /** Below it, more is asked for. */
  lowWater = 0;
  lastTakenMs = -Infinity;
  /** Already on the list for the next call. */
  queued = false;
  /** For requests that wait for the next call. */
  waiting = 0;
  /** Of the next window: what the ledger counts as ours. */
  ahead = 0;
  /** From then on the next window's block is asked for; Infinity when it need not be. */
  askAheadAtMs = Infinity;
  private aheadSpent = 0;
  private aheadWanted = 0;
  /** From then on the window has ended for sure. */
  private endedAtMs = Infinity;
  private nextWindow = 0;
  private nextEnds = { earliestMs: Infinity, latestMs: Infinity };
  private asked = 0;
  private window = 0;
  private reportedWindow = 0;
  /** Charges from before belong to another window or to a lost lease. */
  private sinceMs = -Infinity;
  private shortUntilMs = -Infinity;
  /** All of the window is used. */
  private isExhausted = false;
  private reportedMs = -Infinity;
  private taken = 0;
  private ratePerMs = 0;
  private toRelease = 0;
  private shareUntilMs = -Infinity;
  private shareLeft = 0;
  private grantedLimit: number | undefined;
  private lastGranted = 0;
  private lastGrantedMs = -Infinity;

  constructor(
    private rule: SnapshotQuota,
    readonly key: string,
    readonly tally: Tally,
    private readonly term: Term,
  ) {}

  get quota(): SnapshotQuota {
    return this.rule;
  }

  set quota(quota: SnapshotQuota) {
    if (quota.revision !== this.rule.revision) this.grantedLimit = undefined;
    this.rule = quota;
  }

  /** Start of the window whose tokens are taken now, as the ledger calls it; 0 without windows. */
  get windowStart(): number {
    return this.window;
  }

  get enforced(): boolean {
    return this.rule.mode === 'enforce';
  }

  /** That holds now: the ledger knows of overrides. */
  get limit(): number {
    return this.grantedLimit ?? this.rule.limit;
  }

  /** As the ledger last said, with what was spent here since. */
  get used(): number {
    return this.limit - this.left - this.elsewhere - this.held + this.spent;
  }

  /** Held by gateways and not spent. */
  get reserved(): number {
    return this.elsewhere + this.held - this.spent;
  }

  holds(amount: number, nowMs: number): boolean {
    if (nowMs >= this.endedAtMs && this.ahead > 0) this.turn(nowMs);
    // Even the next window may have passed while nothing happened here.
    if (nowMs >= this.endedAtMs) return false;
    if (nowMs >= this.endsAtMs && this.ahead - this.aheadSpent < amount) return false;
    return this.remaining >= amount && nowMs < this.term.untilMs;
  }

  /** Whether the ledger said that there is no more. */
  isShort(nowMs: number): boolean {
    return nowMs < (this.isExhausted && this.ahead > 0 ? this.endedAtMs : this.shortUntilMs);
  }

  take(amount: number, nowMs: number): void {
    this.lastTakenMs = nowMs;
    this.taken += amount;
    if (this.holds(amount, nowMs)) {
      this.remaining -= amount;
      if (nowMs >= this.endsAtMs) this.aheadSpent += amount;
    } else if (!this.enforced) this.tally.shadowDenied += 1;
  }

  /** The request that took `reserved` used `actual`. */
  settle(reserved: number, actual: number, takenAtMs: number): void {
    if (takenAtMs < this.sinceMs) return;
    const used = this.rule.unit === 'concurrency' ? 0 : Math.min(actual, this.held - this.spent);
    this.spent += used;
    this.remaining = Math.min(this.remaining + reserved - used, this.held - this.spent);
  }

  /** Without the registry: a part of the limit for this gateway alone, in windows of its own. */
  takeShare(amount: number, gateways: number, spanMs: number, nowMs: number): boolean {
    if (nowMs >= this.shareUntilMs) {
      this.shareUntilMs = nowMs + spanMs;
      this.shareLeft = Math.max(1, Math.floor(this.limit / gateways));
    }
    if (this.shareLeft < amount) return false;
    this.shareLeft -= amount;
    return true;
  }

  /** Looks at what is held. @returns whether the ledger should hear of it */
  review(nowMs: number, elapsedMs: number, idleMs: number, isShared: boolean): boolean {
    this.ratePerMs = (this.ratePerMs + this.taken / Math.max(1, elapsedMs)) / 2;
    this.taken = 0;
    if (nowMs >= this.endedAtMs && this.ahead > 0) this.turn(nowMs);
    if (this.held <= 0) return false;
    const isIdle = nowMs - this.lastTakenMs > idleMs;
    if (isIdle) this.offerAll();
    else if (isShared && this.left < this.remaining)
      this.toRelease = Math.max(0, this.remaining - Math.ceil(this.ratePerMs * 1_000) - 1);
    const isDue = this.spent > 0 && (isIdle || nowMs - this.reportedMs > reportEveryMs);
    return this.toRelease > 0 || isDue || (!isIdle && this.wantAhead(nowMs));
  }

  /** Asks for a block of the next window, once it is time. @returns whether it does */
  wantAhead(nowMs: number): boolean {
    if (nowMs < this.askAheadAtMs) return false;
    this.askAheadAtMs = Infinity;
    this.aheadWanted = this.block(nowMs);
    return true;
  }

  /** The limit changed or the count was reset: what is held goes back and the ledger is asked anew. */
  giveBack(): void {
    this.offerAll();
    this.aheadWanted = 0;
    this.shortUntilMs = -Infinity;
  }

  /** What to tell the ledger. What is given back cannot be taken any more. */
  report(nowMs: number): LeaseItem {
    const isLeft = this.toRelease > 0;
    // The ledger counts whole tokens. A part of one is told with the next report, or taken for a whole one by who leaves.
    const spent = isLeft ? Math.ceil(this.spent) : Math.floor(this.spent);
    const released = Math.max(0, Math.floor(Math.min(this.toRelease, this.remaining)));
    const isBusy = this.waiting > 0 || (released === 0 && this.remaining < this.lowWater);
    const item: LeaseItem = {
      quota_id: this.rule.id,
      key: this.key,
      window_start: this.window,
      held: this.held,
      spent,
      released,
      need: this.waiting,
      want: isBusy && nowMs - this.lastTakenMs < 60_000 ? this.block(nowMs) : this.waiting,
      ahead: Math.max(this.aheadWanted, Math.ceil(this.aheadSpent)),
    };
    this.ahead = Math.min(this.ahead, item.ahead);
    this.held -= spent + released;
    this.spent = Math.max(0, this.spent - spent);
    this.remaining = Math.min(this.remaining - released, this.held - this.spent);
    this.toRelease = 0;
    this.asked = this.waiting;
    this.waiting = 0;
    this.queued = false;
    this.reportedMs = nowMs;
    this.reportedWindow = this.window;
    return item;
  }

  /** @param sentMs from before the call was sent; the ledger answered between then and now */
  apply(grant: LeaseGrant, sentMs: number, nowMs: number): void {
    // The next window has begun here while the answer was under way.
    if (grant.window_start < this.window && this.reportedWindow !== this.window) return;
    if (grant.window_start !== this.window && grant.window_start === this.nextWindow) this.turn(nowMs);
    if (grant.window_start !== this.window || (grant.lost && this.held > 0))
      this.begin(grant.window_start, nowMs);
    const granted = grant.held - this.held;
    this.remaining += granted;
    this.held = grant.held;
    this.left = grant.left;
    this.elsewhere = grant.elsewhere;
    this.grantedLimit = grant.limit;
    this.alerted = grant.alerted;
    this.applyEnds(grant, sentMs, nowMs);
    if (grant.left === 0) this.lowWater = 0;
    else if (granted > 0) this.lowWater = Math.ceil(granted / 4);
    if (granted > 0) {
      this.lastGranted = granted;
      this.lastGrantedMs = nowMs;
    }
    const isShort = granted < this.asked;
    this.isExhausted = isShort && grant.elsewhere === 0 && this.held === this.remaining;
    this.shortUntilMs = isShort ? this.shortUntil(nowMs) : -Infinity;
  }

  /** All that was held is gone. */
  begin(window: number, nowMs: number): void {
    this.window = window;
    this.sinceMs = nowMs;
    this.remaining = this.held = this.spent = 0;
    this.ahead = this.aheadSpent = this.aheadWanted = 0;
    this.askAheadAtMs = Infinity;
    this.nextWindow = 0;
    this.isExhausted = false;
    this.alerted = 0;
  }

  private applyEnds(grant: LeaseGrant, sentMs: number, nowMs: number): void {
    const { window_end: end, ends_in_ms: inMs, next_ends_in_ms: nextInMs } = grant;
    this.ahead = grant.ahead;
    if (end === null || inMs === null || nextInMs === null) {
      this.endsAtMs = this.endedAtMs = Infinity;
      return;
    }
    this.nextWindow = end;
    this.endsAtMs = sentMs + inMs * (1 - drift);
    this.endedAtMs = nowMs + inMs * (1 + drift);
    this.nextEnds = {
      earliestMs: sentMs + nextInMs * (1 - drift),
      latestMs: nowMs + nextInMs * (1 + drift),
    };
    if (this.aheadWanted === 0) this.askAheadBefore(this.endsAtMs, nextInMs - inMs);
  }

  /** The window has ended, and there is a block of the next one, or the ledger has seen it begin. */
  private turn(nowMs: number): void {
    const { ahead, aheadSpent, nextEnds } = this;
    const lengthMs = nextEnds.earliestMs - this.endsAtMs;
    this.begin(this.nextWindow, nowMs);
    this.held = ahead;
    this.spent = aheadSpent;
    this.remaining = ahead - aheadSpent;
    this.left = Math.max(0, this.limit - ahead);
    this.elsewhere = 0;
    this.lowWater = Math.ceil(ahead / 4);
    this.shortUntilMs = -Infinity;
    this.endsAtMs = nextEnds.earliestMs;
    this.endedAtMs = nextEnds.latestMs;
    this.askAheadBefore(this.endsAtMs, lengthMs);
  }

  private askAheadBefore(endsAtMs: number, lengthMs: number): void {
    this.askAheadAtMs = endsAtMs - Math.min(leadMs, lengthMs / 2);
  }

  /** As much as should last for `blockMs`: by the rate that was seen, or twice the last block if that was gone too soon to see any. */
  private block(nowMs: number): number {
    const wasQuick = nowMs - this.lastGrantedMs < blockMs / 2;
    const twice = wasQuick ? 2 * this.lastGranted : 0;
    return Math.max(smallestBlock[this.rule.unit], Math.ceil(this.ratePerMs * blockMs), twice);
  }

  private offerAll(): void {
    this.toRelease = this.remaining;
    this.lowWater = 0;
  }

  private shortUntil(nowMs: number): number {
    if (this.isExhausted && this.endsAtMs !== Infinity) return this.endsAtMs;
    return Math.min(this.endsAtMs, nowMs + askAgainMs);
  }
}
