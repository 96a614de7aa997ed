/**
 * What one gateway holds of one count: tokens that it may spend until deadlines on its own monotonic clock. A token is taken at
 * admission and, when the request is over, either spent for good or free again. Around the end of a window it is not known to the
 * millisecond which window a request belongs to: there it is charged to both.
 */
import type { LeaseGrant, LeaseItem } from '#contracts/quotas';
import type { SnapshotQuota } from '#contracts/snapshot';
import { Demand } from './demand.js';
import { LocalShare } from './local-share.js';
import { WindowEdges } from './window-edges.js';

/** After a refusal, how long until the ledger is asked again while other gateways hold tokens that they may give back. */
const askAgainMs = 250;
/** What was spent is told at least so often. */
const reportEveryMs = 5_000;

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
  /** The block of the next window goes back too: nothing is taken of it. */
  private isAheadRevoked = false;
  private readonly edges = new WindowEdges();
  private asked = 0;
  private window = 0;
  private reportedWindow = 0;
  /** Charges from before belong to another window or to a lost lease. */
  private sinceMs = -Infinity;
  private shortUntilMs = -Infinity;
  /** All of the window is used. */
  private isExhausted = false;
  private reportedMs = -Infinity;
  private toRelease = 0;
  /** Must go back, and cannot be taken meanwhile. */
  private revoked = 0;
  /** What requests from before do not use must go back too: it was granted by another limit. */
  private changedMs = -Infinity;
  private grantedLimit: number | undefined;
  private readonly demand: Demand;
  private readonly localShare = new LocalShare();

  constructor(
    private rule: SnapshotQuota,
    readonly key: string,
    readonly tally: Tally,
    private readonly term: Term,
  ) {
    this.demand = new Demand(rule.unit);
  }

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

  /** Before it the window has not ended; Infinity without windows. */
  get endsAtMs(): number {
    return this.edges.endsAtMs;
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
    const { edges } = this;
    if (nowMs >= edges.endedAtMs && this.ahead > 0) this.turn(nowMs);
    // Even the next window may have passed while nothing happened here.
    if (nowMs >= edges.endedAtMs) return false;
    // After an answer that was long under way this may be neither window but a later one.
    if (nowMs >= edges.endsAtMs && nowMs >= edges.nextEndsAtMs) return false;
    if (nowMs >= edges.endsAtMs && this.aheadLeft < amount) return false;
    return this.remaining - this.revoked >= amount && nowMs < this.term.untilMs;
  }

  /** Whether the ledger said that there is no more. */
  isShort(nowMs: number): boolean {
    return nowMs < (this.isExhausted && this.ahead > 0 ? this.edges.endedAtMs : this.shortUntilMs);
  }

  /** @returns whether it was there; a count in shadow mode refuses nobody */
  take(amount: number, nowMs: number): boolean {
    this.lastTakenMs = nowMs;
    this.demand.noteTaken(amount);
    if (!this.holds(amount, nowMs)) {
      if (!this.enforced) this.tally.shadowDenied += 1;
      return false;
    }
    this.remaining -= amount;
    if (nowMs >= this.edges.endsAtMs) this.aheadSpent += amount;
    return true;
  }

  /** The request that took `reserved` used `actual`. */
  settle(reserved: number, actual: number, takenAtMs: number): void {
    if (takenAtMs < this.sinceMs) return;
    const used = this.rule.unit === 'concurrency' ? 0 : Math.min(actual, this.held - this.spent);
    this.spent += used;
    this.remaining = Math.min(this.remaining + reserved - used, this.held - this.spent);
    if (takenAtMs <= this.changedMs) this.revoked = Math.min(this.revoked + reserved - used, this.remaining);
  }

  /** Without the registry: takes it from a part of the limit for this gateway alone. */
  takeShare(amount: number, gateways: number, windowMs: number, nowMs: number): boolean {
    const share = Math.max(1, Math.floor(this.limit / gateways));
    return this.localShare.take(amount, share, windowMs, nowMs);
  }

  /** Looks at what is held. @returns whether the ledger should hear of it */
  review(nowMs: number, elapsedMs: number, idleMs: number, isShared: boolean): boolean {
    this.demand.measure(elapsedMs);
    if (nowMs >= this.edges.endedAtMs && this.ahead > 0) this.turn(nowMs);
    if (this.held <= 0) return false;
    const isIdle = nowMs - this.lastTakenMs > idleMs;
    if (isIdle) this.offerAll();
    else if (isShared && this.left < this.remaining)
      this.toRelease = Math.max(0, this.remaining - Math.ceil(this.demand.ratePerMs * 1_000) - 1);
    const isDue = this.spent > 0 && (isIdle || nowMs - this.reportedMs > reportEveryMs);
    return this.toRelease > 0 || this.revoked >= 1 || isDue || (!isIdle && this.wantAhead(nowMs));
  }

  /** Asks for a block of the next window, once it is time. @returns whether it does */
  wantAhead(nowMs: number): boolean {
    if (nowMs < this.askAheadAtMs) return false;
    this.askAheadAtMs = Infinity;
    this.aheadWanted = this.demand.block(nowMs);
    return true;
  }

  /** The limit changed or the count was reset: what is held goes back and the ledger is asked anew. */
  giveBack(nowMs: number): void {
    this.offerAll();
    this.revoked = this.remaining;
    this.changedMs = nowMs;
    this.aheadWanted = 0;
    this.isAheadRevoked = true;
    this.shortUntilMs = -Infinity;
  }

  /** What to tell the ledger. What is given back cannot be taken any more. */
  report(nowMs: number): LeaseItem {
    const toRelease = Math.max(this.toRelease, this.revoked);
    const isLeft = toRelease > 0;
    // The ledger counts whole tokens. A part of one is told with the next report, or taken for a whole one by who leaves.
    const spent = isLeft ? Math.ceil(this.spent) : Math.floor(this.spent);
    const released = Math.max(0, Math.floor(Math.min(toRelease, this.remaining)));
    const isBusy = this.waiting > 0 || (released === 0 && this.remaining < this.lowWater);
    const item: LeaseItem = {
      quota_id: this.rule.id,
      key: this.key,
      window_start: this.window,
      held: this.held,
      spent,
      released,
      need: this.waiting,
      want: isBusy && nowMs - this.lastTakenMs < 60_000 ? this.demand.block(nowMs) : this.waiting,
      ahead: Math.max(this.aheadWanted, Math.ceil(this.aheadSpent)),
    };
    this.ahead = Math.min(this.ahead, item.ahead);
    this.isAheadRevoked = false;
    this.held -= spent + released;
    this.spent = Math.max(0, this.spent - spent);
    this.remaining = Math.min(this.remaining - released, this.held - this.spent);
    this.toRelease = 0;
    this.revoked = Math.max(0, Math.min(this.revoked - released, this.remaining));
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
    if (grant.window_start !== this.window && grant.window_start === this.edges.nextStart) this.turn(nowMs);
    if (grant.window_start !== this.window || (grant.lost && this.held > 0))
      this.begin(grant.window_start, nowMs);
    const granted = grant.held - this.held;
    this.remaining += granted;
    this.held = grant.held;
    this.left = grant.left;
    this.elsewhere = grant.elsewhere;
    this.grantedLimit = grant.limit;
    this.alerted = grant.alerted;
    this.ahead = grant.ahead;
    this.edges.told(grant, sentMs, nowMs);
    if (this.aheadWanted === 0) this.askAheadAtMs = this.edges.askAheadAtMs;
    if (grant.left === 0) this.lowWater = 0;
    else if (granted > 0) this.lowWater = Math.ceil(granted / 4);
    if (granted > 0) this.demand.noteGranted(granted, nowMs);
    const isShort = granted < this.asked;
    this.isExhausted = isShort && grant.elsewhere === 0 && this.held === this.remaining;
    this.shortUntilMs = isShort ? this.shortUntil(nowMs) : -Infinity;
  }

  /** All that was held is gone. */
  begin(window: number, nowMs: number): void {
    this.window = window;
    this.sinceMs = nowMs;
    this.remaining = this.held = this.spent = this.revoked = 0;
    this.ahead = this.aheadSpent = this.aheadWanted = 0;
    this.askAheadAtMs = Infinity;
    this.edges.nextStart = 0;
    this.isExhausted = false;
    this.alerted = 0;
  }

  /** The window has ended, and there is a block of the next one, or the ledger has seen it begin. */
  private turn(nowMs: number): void {
    const { ahead, aheadSpent, aheadLeft, edges } = this;
    this.begin(edges.nextStart, nowMs);
    edges.turn();
    this.held = ahead;
    this.spent = aheadSpent;
    this.remaining = ahead - aheadSpent;
    this.revoked = this.remaining - aheadLeft;
    this.left = Math.max(0, this.limit - ahead);
    this.elsewhere = 0;
    this.lowWater = Math.ceil(ahead / 4);
    this.shortUntilMs = -Infinity;
    this.askAheadAtMs = edges.askAheadAtMs;
  }

  private get aheadLeft(): number {
    return this.isAheadRevoked ? 0 : this.ahead - this.aheadSpent;
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
