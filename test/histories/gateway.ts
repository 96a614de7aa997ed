/** One gateway of a random history: the lease desk as gateways have it, on a clock of its own and with a wire that history holds. */
import { expect } from 'vitest';
import type { LeaseAnswer, LeaseCall } from '#contracts/quotas';
import type { SnapshotQuota } from '#contracts/snapshot';
import { QuotaBook } from '#quota/book';
import type { Cell } from '#quota/cell';
import { noCosts, oneRequest } from '#quota/costs';
import type { Costs } from '#quota/costs';
import { LeaseDesk, isDenial, settleAll } from '#quota/lease-desk';
import type { Admission } from '#quota/lease-desk';
import { heldSince } from './referee.js';
import type { Referee, Ticket } from './referee.js';

/** What becomes of a lease call: answered; answered after it was sent again; never heard by the ledger; heard, its answer lost. */
export type Fate = 'answered' | 'twice' | 'unheard' | 'unanswered';

/** The longest that a request lasts. */
export const holdMs = 60_000;

/** Of histories in which it does not matter who asks. */
const onlyClient = 'client';
let holders = 0;

/** What a gateway has to do with. */
export interface Surroundings {
  /** The true time. */
  nowMs: number;
  readonly isAway: boolean;
  readonly quotas: readonly SnapshotQuota[];
  readonly referee: Referee;
  serve(call: LeaseCall): LeaseAnswer | undefined;
  admitted(charged: readonly Cell[], costs: Costs, sinceMs: number): Ticket;
}

interface Call extends LeaseCall {
  /** The last change of quotas that the gateway knew of. */
  readonly quotas: readonly SnapshotQuota[];
  readonly madeMs: number;
}

interface Open {
  readonly takenAtMs: number;
  readonly charged: readonly Cell[];
  readonly costs: Costs;
  readonly ticket: Ticket;
}

interface Uncounted {
  readonly count: string;
  readonly atMs: number;
  readonly amount: number;
}

/** Stopped while a call was under way. */
interface Stopped {
  readonly untilMs: number;
  readonly call: Call;
  readonly sentMs: number;
  readonly isHeard: boolean;
  readonly answer: LeaseAnswer | undefined;
}

export interface Ask {
  readonly requests: number;
  readonly delayMs?: number;
  readonly fate?: Fate;
  readonly client?: string;
  readonly costs?: Costs;
}

/** Of a bucket or of concurrency, a second's worth. */
const spansMs = {
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  month: 86_400_000,
  bucket: 1_000,
};

export class Gateway {
  readonly book = new QuotaBook();
  readonly desk = new LeaseDesk(this.book);
  private holder = `holder-${(holders += 1)}`;
  private sequence = 0;
  /** To be sent again, as it was. */
  private unanswered: Call | undefined;
  private underWay: { readonly call: Call; readonly sentMs: number; answer?: LeaseAnswer } | undefined;
  private open: Open[] = [];
  /** No two gateways' clocks show the same. */
  private readonly offsetMs: number;
  private quotas: readonly SnapshotQuota[] = [];
  /** From then on it has gone by no other limits than those that it knows of. */
  private inTouchMs: number;
  private stopped: Stopped | undefined;
  private readonly uncounted: Uncounted[] = [];
  /** As the ledger told. */
  private readonly gateways: { readonly fromMs: number; readonly count: number }[];

  constructor(
    private readonly world: Surroundings,
    index: number,
  ) {
    this.offsetMs = index * 7_777_777;
    this.inTouchMs = world.nowMs;
    this.gateways = [{ fromMs: world.nowMs, count: 1 }];
    this.hear();
  }

  get nowMs(): number {
    return this.world.nowMs - this.offsetMs;
  }

  get cells(): readonly Cell[] {
    return this.book.cellsFor('iris', onlyClient, undefined);
  }

  /** The snapshot of the moment arrives. */
  hear(): void {
    this.quotas = this.world.quotas;
    this.desk.refresh(this.book.replace(this.quotas), this.nowMs);
  }

  /** Sends what there is to send. Half of the delay lies before the ledger, half behind it. */
  sync(delayMs = 0, fate: Fate = 'answered'): void {
    if (!this.unanswered && !this.desk.hasDemand) return;
    const { world } = this;
    const call = this.unanswered ?? this.nextCall();
    this.unanswered = call;
    const isHeard = !world.isAway && fate !== 'unheard';
    if (isHeard && fate === 'twice') world.serve(call);
    const sentMs = this.nowMs;
    world.nowMs += Math.floor(delayMs / 2);
    const answer = isHeard ? world.serve(call) : undefined;
    world.nowMs += Math.ceil(delayMs / 2);
    if (!isHeard || fate === 'unanswered') return this.desk.fail(this.nowMs);
    this.unanswered = undefined;
    this.take(call, answer, sentMs);
  }

  /** @returns how many of the requests were admitted */
  async ask(requests: number | Ask): Promise<number> {
    if (!(await this.isAwake())) return 0;
    const ask = typeof requests === 'number' ? { requests } : requests;
    const { delayMs = 0, fate = 'answered', client = onlyClient, costs = oneRequest } = ask;
    let admitted = 0;
    const waiting: Promise<void>[] = [];
    const cells = this.book.cellsFor('iris', client, undefined);
    const take = (admission: Admission): void => {
      if (this.note(cells, admission, costs)) admitted += 1;
    };
    for (let i = 0; i < ask.requests; i += 1) {
      const admission = this.desk.admit(cells, costs, this.nowMs);
      if (admission instanceof Promise) waiting.push(admission.then(take));
      else take(admission);
    }
    // A waiter that is sent back to the queue is there again within one call. Time stands still until those are heard who were let in.
    for (let round = 0; round < 5; round += 1) {
      this.sync(round === 0 ? delayMs : 0, round === 0 ? fate : 'answered');
      await Promise.resolve();
    }
    if (waiting.length > 0 && this.desk.hasDemand) this.desk.fail(this.nowMs);
    await Promise.all(waiting);
    return admitted;
  }

  /** Brings calls and answers on their way, one call at a time, while requests go on. */
  deliver(delayMs: number): void {
    const { underWay, nowMs } = this;
    if (!underWay) {
      if (this.desk.hasDemand) this.underWay = { call: this.nextCall(), sentMs: nowMs };
      return;
    }
    if (nowMs - underWay.sentMs === delayMs / 2) {
      const answer = this.world.serve(underWay.call);
      if (answer) underWay.answer = answer;
    }
    if (nowMs - underWay.sentMs < delayMs || !underWay.answer) return;
    this.underWay = undefined;
    this.take(underWay.call, underWay.answer, underWay.sentMs);
  }

  settleOne(): void {
    settleAll(this.cells, oneRequest, oneRequest, this.nowMs);
  }

  async tick(): Promise<void> {
    if (!(await this.isAwake())) return;
    this.desk.tick(this.nowMs);
    this.sync();
  }

  /** Ends the oldest open requests; some fail, and give back what they took, others use a part of it. */
  async finish(failures: number, usedShare = 1, count = Infinity): Promise<void> {
    if (!(await this.isAwake())) return;
    for (const [index, { takenAtMs, charged, costs, ticket }] of this.open.splice(0, count).entries()) {
      const part = (amount: number): number => amount * usedShare;
      const used =
        index < failures
          ? noCosts
          : { ...costs, rows: Math.floor(part(costs.rows)), compute_ms: part(costs.compute_ms) };
      settleAll(charged, costs, used, takenAtMs);
      this.world.referee.ended(ticket, used);
    }
  }

  async leave(): Promise<void> {
    if (!(await this.isAwake())) return;
    this.desk.giveBackAll(this.nowMs);
    for (let round = 0; round < 5 && this.desk.hasDemand && !this.world.isAway; round += 1) this.sync();
  }

  /** Stopped in the middle of a call: it was served, and the answer lies unread until the process goes on. */
  async stop(ms: number): Promise<void> {
    if (!(await this.isAwake())) return;
    const { world, cells, nowMs: sentMs } = this;
    const admission = this.desk.admit(cells, oneRequest, sentMs);
    if (!(admission instanceof Promise)) this.note(cells, admission, oneRequest);
    else void admission.then((late) => this.note(cells, late, oneRequest));
    const call = this.unanswered ?? this.nextCall();
    this.unanswered = undefined;
    const isHeard = !world.isAway;
    const answer = isHeard ? world.serve(call) : undefined;
    this.stopped = { untilMs: world.nowMs + ms, call, sentMs, isHeard, answer };
  }

  private async isAwake(): Promise<boolean> {
    const { stopped, world } = this;
    if (!stopped) return true;
    if (world.nowMs < stopped.untilMs) return false;
    this.stopped = undefined;
    if (stopped.isHeard) this.take(stopped.call, stopped.answer, stopped.sentMs);
    else {
      this.unanswered = stopped.call;
      this.desk.fail(this.nowMs);
    }
    await Promise.resolve();
    return true;
  }

  private take(call: Call, answer: LeaseAnswer | undefined, sentMs: number): void {
    if (answer) {
      if (call.quotas === this.world.quotas) this.inTouchMs = call.madeMs;
      this.gateways.push({ fromMs: this.world.nowMs, count: answer.gateways });
      return this.desk.apply(call.items, answer, sentMs, this.nowMs);
    }
    this.holder = `holder-${(holders += 1)}`;
    this.sequence = 0;
    this.desk.loseAll(this.nowMs);
  }

  /** @returns whether the request was let in */
  private note(cells: readonly Cell[], charged: Admission, costs: Costs): boolean {
    if (isDenial(charged)) return false;
    const { world } = this;
    for (const cell of cells)
      if (cell.enforced && !charged.includes(cell)) this.noteUncounted(cell, costs[cell.quota.unit]);
    const ticket = world.admitted(charged, costs, this.inTouchMs);
    this.open.push({ takenAtMs: this.nowMs, charged, costs, ticket });
    return true;
  }

  /** Let in without the ledger: only while it does not answer, and no more than the outage policy allows. */
  private noteUncounted({ quota, key }: Cell, amount: number): void {
    expect(this.unanswered !== undefined || this.desk.unreachable).toBe(true);
    expect(quota.outage).not.toBe('deny');
    if (quota.outage === 'open') return;
    const count = `${quota.id} ${key}`;
    const { nowMs } = this;
    this.uncounted.push({ count, atMs: nowMs, amount });
    const spanMs = quota.window === null ? 1_000 : spansMs[quota.window];
    const lately = this.uncounted.filter((one) => one.count === count && one.atMs > nowMs - spanMs);
    const sum = lately.reduce((total, one) => total + one.amount, 0);
    const sinceMs = Math.min(this.inTouchMs, this.world.nowMs - 2 * spanMs);
    // Of a count that it has never asked for, a gateway knows no override: then it goes by the quota's own limit.
    const limit = Math.max(quota.limit, this.world.referee.greatestLimit({ quota, key }, sinceMs));
    const gateways = Math.min(...heldSince(this.gateways, sinceMs).map(({ count: n }) => n));
    // Its windows are its own: two of them may touch.
    expect(sum).toBeLessThanOrEqual(2 * Math.max(1, limit / gateways));
  }

  private nextCall(): Call {
    const items = this.desk.collect(this.nowMs);
    return {
      holder: this.holder,
      sequence: (this.sequence += 1),
      hold_ms: holdMs,
      items,
      quotas: this.quotas,
      madeMs: this.world.nowMs,
    };
  }
}
