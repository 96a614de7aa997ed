/**
 * Admits requests out of what the gateway holds, lets those wait for which it holds too little, and says what to report to the
 * ledger and ask of it. Knows no network: whoever owns the connection calls `collect`, sends, and calls `apply` or `fail`.
 */
import type { LeaseAnswer, LeaseItem } from '#contracts/quotas';
import { maxLeaseItems } from '#contracts/quotas';
import type { QuotaBook } from './book.js';
import type { Cell } from './cell.js';
import type { Costs } from './costs.js';
import { nominalSeconds } from './windows.js';

/** Why a request is not admitted: `exhausted`, or nobody could say, for want of the registry. */
export interface Denial {
  readonly cell: Cell;
  /** What the request would have needed of it. */
  readonly amount: number;
  readonly reason: 'exhausted' | 'unavailable';
}

/** What becomes of a request: it is denied, or let in and charged to these counts. They are to be settled when it ends. */
export type Admission = readonly Cell[] | Denial;

export const isDenial = (admission: Admission): admission is Denial => 'reason' in admission;

interface Waiter {
  readonly cells: readonly Cell[];
  readonly costs: Costs;
  readonly sinceMs: number;
  readonly resolve: (admission: Admission) => void;
}

/** What is not used for so long goes back. */
const idleMs = 2_000;
/** A request waits no longer than this, however often the ledger must be asked. */
const maxWaitMs = 2_000;

/** The first that refuses, for it has too little. */
function lackingOf(cells: readonly Cell[], costs: Costs, nowMs: number): Cell | undefined {
  for (const cell of cells) if (cell.enforced && !cell.holds(costs[cell.quota.unit], nowMs)) return cell;
  return undefined;
}

/** Takes from all that hold enough: those in shadow mode may not. @returns from which it was taken */
function takeFrom(cells: readonly Cell[], costs: Costs, nowMs: number): readonly Cell[] {
  let lacking: Cell[] | undefined;
  for (const cell of cells) if (!cell.take(costs[cell.quota.unit], nowMs)) (lacking ??= []).push(cell);
  return lacking ? cells.filter((cell) => !lacking.includes(cell)) : cells;
}

/** Ends what was taken. `actual` is what was really used. */
export function settleAll(cells: readonly Cell[], reserved: Costs, actual: Costs, takenAtMs: number): void {
  for (const cell of cells) cell.settle(reserved[cell.quota.unit], actual[cell.quota.unit], takenAtMs);
}

export class LeaseDesk {
  /** Called when there is something to collect. */
  onDemand: () => void = () => undefined;
  /** The last call failed and none has succeeded since. */
  unreachable = false;
  /** Calls so far. */
  answered = 0;
  private gateways = 1;
  private leaseMs = 10_000;
  private mustRenew = false;
  private tickedMs = 0;
  private urgent = new Set<Cell>();
  private waiters: Waiter[] = [];
  private inCall: Waiter[] = [];

  constructor(private readonly book: QuotaBook) {}

  get hasDemand(): boolean {
    return this.urgent.size > 0 || this.mustRenew;
  }

  /** Admits by all cells or by none: at once when they hold enough, else as soon as the ledger has answered. */
  admit(cells: readonly Cell[], costs: Costs, nowMs: number): Admission | Promise<Admission> {
    const lacking = lackingOf(cells, costs, nowMs);
    if (lacking === undefined) {
      const charged = takeFrom(cells, costs, nowMs);
      for (const cell of cells) if (cell.wantAhead(nowMs) || isLow(cell, nowMs)) this.queue(cell);
      return charged;
    }
    if (lacking.isShort(nowMs)) {
      if (lacking.wantAhead(nowMs)) this.queue(lacking);
      return denied(lacking, costs, 'exhausted');
    }
    if (this.unreachable) return this.withoutRegistry(cells, costs, nowMs);
    return new Promise((resolve) => this.wait({ cells, costs, sinceMs: nowMs, resolve }, nowMs));
  }

  /** What the snapshot changed goes back. */
  refresh(cells: readonly Cell[], nowMs: number): void {
    for (const cell of cells) {
      cell.giveBack(nowMs);
      this.queue(cell);
    }
  }

  /** Looks at everything that is held: gives back what is idle, renews what is not. */
  tick(nowMs: number): void {
    const elapsedMs = nowMs - this.tickedMs;
    this.tickedMs = nowMs;
    const isShared = this.gateways > 1;
    let isHolding = false;
    for (const cell of this.book.cells()) {
      if (cell.review(nowMs, elapsedMs, idleMs, isShared)) this.queue(cell);
      isHolding ||= cell.held > 0 || cell.ahead > 0;
    }
    if (isHolding && this.book.term.untilMs - nowMs < this.leaseMs / 2) {
      this.mustRenew = true;
      this.onDemand();
    }
    this.book.sweep(nowMs);
  }

  /** Puts everything on the list to give it back: the gateway leaves. */
  giveBackAll(nowMs: number): void {
    const holding = [...this.book.cells()].filter(({ held, ahead }) => held > 0 || ahead > 0);
    this.refresh(holding, nowMs);
  }

  /** The items of the next call; without any it only renews. */
  collect(nowMs: number): LeaseItem[] {
    this.mustRenew = false;
    const items: LeaseItem[] = [];
    for (const cell of this.urgent) {
      if (items.length === maxLeaseItems) break;
      this.urgent.delete(cell);
      items.push(cell.report(nowMs));
    }
    this.inCall = this.waiters;
    this.waiters = [];
    return items;
  }

  /** The ledger answered the call with these items, which was last sent at `sentMs`. */
  apply(items: readonly LeaseItem[], answer: LeaseAnswer, sentMs: number, nowMs: number): void {
    this.unreachable = false;
    this.answered += 1;
    this.gateways = answer.gateways;
    this.leaseMs = answer.lease_ms;
    this.book.term.untilMs = sentMs + answer.lease_ms;
    const granted = new Set<string>();
    for (const grant of answer.grants) {
      granted.add(`${grant.quota_id} ${grant.key}`);
      this.book.cell(grant.quota_id, grant.key)?.apply(grant, sentMs, nowMs);
    }
    for (const { quota_id: id, key } of items) if (!granted.has(`${id} ${key}`)) this.book.drop(id);
    this.serveWaiters(nowMs);
  }

  /** The call was not answered. It must be sent again as it was. */
  fail(nowMs: number): void {
    this.unreachable = true;
    const all = [...this.inCall, ...this.waiters];
    this.inCall = [];
    this.waiters = [];
    for (const { cells } of all) for (const cell of cells) cell.waiting = 0;
    for (const { cells, costs, resolve } of all) resolve(this.withoutRegistry(cells, costs, nowMs));
  }

  /** The registry does not know this process any more: nothing is held. */
  loseAll(nowMs: number): void {
    for (const cell of this.book.cells()) cell.begin(0, nowMs);
    this.serveWaiters(nowMs);
  }

  private queue(cell: Cell): void {
    if (cell.queued) return;
    cell.queued = true;
    this.urgent.add(cell);
    this.onDemand();
  }

  private wait(waiter: Waiter, nowMs: number): void {
    this.waiters.push(waiter);
    for (const cell of waiter.cells) {
      const amount = waiter.costs[cell.quota.unit];
      if (cell.holds(amount + cell.waiting, nowMs)) continue;
      cell.lastTakenMs = nowMs;
      cell.waiting += amount;
      this.queue(cell);
    }
  }

  private serveWaiters(nowMs: number): void {
    const served = this.inCall;
    this.inCall = [];
    for (const waiter of served) {
      const lacking = lackingOf(waiter.cells, waiter.costs, nowMs);
      if (lacking === undefined) waiter.resolve(takeFrom(waiter.cells, waiter.costs, nowMs));
      else if (lacking.isShort(nowMs)) waiter.resolve(denied(lacking, waiter.costs, 'exhausted'));
      else if (nowMs - waiter.sinceMs > maxWaitMs)
        waiter.resolve(denied(lacking, waiter.costs, 'unavailable'));
      // The window ended while the answer was under way, or others in the queue took it all.
      else this.wait(waiter, nowMs);
    }
  }

  /** What holds per limit while the registry is away and too little is held. */
  private withoutRegistry(cells: readonly Cell[], costs: Costs, nowMs: number): Admission {
    const poor = cells.filter((cell) => cell.enforced && !cell.holds(costs[cell.quota.unit], nowMs));
    const refusing = poor.find(({ quota }) => quota.outage === 'deny');
    if (refusing) return denied(refusing, costs, 'unavailable');
    for (const cell of poor) {
      if (cell.quota.outage === 'open') continue;
      const { unit, window } = cell.quota;
      const seconds = window === null || window === 'bucket' ? 1 : (nominalSeconds[window] ?? 86_400);
      if (!cell.takeShare(costs[unit], this.gateways, seconds * 1_000, nowMs))
        return denied(cell, costs, 'unavailable');
    }
    for (const cell of poor) cell.tally.uncounted += 1;
    const rich = cells.filter((cell) => !poor.includes(cell));
    return takeFrom(rich, costs, nowMs);
  }
}

const isLow = (cell: Cell, nowMs: number): boolean =>
  !cell.queued && (cell.remaining < cell.lowWater || (!cell.enforced && !cell.holds(1, nowMs)));

function denied(cell: Cell, costs: Costs, reason: Denial['reason']): Denial {
  if (reason === 'exhausted') cell.tally.denied += 1;
  else cell.tally.unavailable += 1;
  return { cell, amount: costs[cell.quota.unit], reason };
}
