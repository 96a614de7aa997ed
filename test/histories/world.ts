/** What random histories happen in: one true time, a ledger with a clock of its own, and gateways with theirs. */
import { expect } from 'vitest';
import { SnapshotQuota } from '#contracts/snapshot';
import type { LeaseAnswer, LeaseCall } from '#contracts/quotas';
import { QuotaBook } from '#quota/book';
import { noCosts, oneRequest } from '#quota/cell';
import type { Cell } from '#quota/cell';
import { LeaseDesk, settleAll } from '#quota/lease-desk';
import type { Denial } from '#quota/lease-desk';
import { sumOf } from '#quota/ledger';
import { MemoryLedger } from '#quota/memory-ledger.case';
import { windowAt } from '#quota/windows';
import type { CalendarWindow } from '#quota/windows';

export const quotaOf = (n: number, over: object): SnapshotQuota =>
  SnapshotQuota.parse({
    id: `0198f000-0000-7000-8000-00000000000${n}`,
    name: `q${n}`,
    client_id: null,
    endpoint: null,
    window: 'minute',
    limit: 20,
    per_client: false,
    outage: 'deny',
    ...over,
  });

export const limitsOf = (world: World): number[] => world.quotas.map(({ limit }) => limit);

/** What becomes of a lease call: answered; answered after it was sent again; never heard by the ledger; heard, its answer lost. */
export type Fate = 'answered' | 'twice' | 'unheard' | 'unanswered';

export class World {
  nowMs = Date.UTC(2026, 0, 1) + 17_000;
  /** How far the ledger's clock is off. */
  stepMs = 0;
  isAway = false;
  /** The latest that the ledger's clock has shown. */
  latestLedgerMs = 0;
  /** Admissions count where the true time puts them; else where they were charged. */
  isOnTime = true;
  readonly ledger: MemoryLedger;
  gateways: Gateway[];
  /** Admitted requests by quota, client and window. */
  private readonly admitted = new Map<string, { readonly count: number; readonly atMs: number }>();

  constructor(
    readonly quotas: SnapshotQuota[],
    gateways: number,
  ) {
    this.ledger = new MemoryLedger(
      (id) => {
        const quota = quotas.find((row) => row.id === id);
        return quota && { ...quota, refillPerSecond: quota.refill_per_second, timeZone: 'UTC', alertAt: [] };
      },
      () => this.ledgerMs,
    );
    this.gateways = Array.from({ length: gateways }, (_, index) => new Gateway(this, index));
  }

  get ledgerMs(): number {
    return this.nowMs + this.stepMs;
  }

  windowEndMs(window: CalendarWindow): number {
    return windowAt(window, 'UTC', this.nowMs).endMs;
  }

  /** @param change 1: a request was admitted; -1: one that was admitted then failed, and gave back what it took */
  note(change: 1 | -1, counts: readonly Count[]): void {
    for (const { quota, window } of counts) {
      const { count, atMs } = this.admitted.get(window) ?? { count: 0, atMs: this.nowMs };
      // A bucket leaks all the time.
      const leaked = ((this.nowMs - atMs) * (quota.refill_per_second ?? 0)) / 1_000;
      const next = Math.max(0, Math.max(0, count - leaked) + change);
      this.admitted.set(window, { count: next, atMs: this.nowMs });
      expect(next).toBeLessThanOrEqual(quota.limit + 1e-6);
    }
  }

  /** What an admission of now counts in. */
  countsOf(cells: readonly Cell[]): Count[] {
    return cells.map(({ quota, key, windowStart }) => {
      const { window } = quota;
      const isTimed = this.isOnTime && window !== null && window !== 'bucket';
      const startMs = isTimed ? windowAt(window, 'UTC', this.nowMs).startMs : windowStart;
      return { quota, window: `${quota.name} ${key} ${startMs}` };
    });
  }

  check(): void {
    this.latestLedgerMs = Math.max(this.latestLedgerMs, this.ledgerMs);
    for (const [name, row] of this.ledger.rows) {
      const quota = this.quotas.find(({ id }) => name.startsWith(id));
      expect(row.used + sumOf(row.leases)).toBeLessThanOrEqual(quota?.limit ?? 0);
    }
  }
}

/** Of histories in which it does not matter who asks. */
const onlyClient = 'client';
let holders = 0;

/** A window of a quota, by the name of both and of the client whose count it is. */
interface Count {
  readonly quota: SnapshotQuota;
  readonly window: string;
}
interface Open {
  readonly takenAtMs: number;
  readonly cells: readonly Cell[];
  readonly counts: readonly Count[];
}

export class Gateway {
  readonly book = new QuotaBook();
  readonly desk = new LeaseDesk(this.book);
  private holder = `holder-${(holders += 1)}`;
  private sequence = 0;
  /** To be sent again, as it was. */
  private unanswered: LeaseCall | undefined;
  private underWay: { readonly call: LeaseCall; readonly sentMs: number; answer?: LeaseAnswer } | undefined;
  private readonly open: Open[] = [];
  /** No two gateways' clocks show the same. */
  private readonly offsetMs: number;

  constructor(
    private readonly world: World,
    index: number,
  ) {
    this.offsetMs = index * 7_777_777;
    this.book.replace(world.quotas);
  }

  get nowMs(): number {
    return this.world.nowMs - this.offsetMs;
  }

  get cells(): readonly Cell[] {
    return this.book.cellsFor('iris', onlyClient, undefined);
  }

  /** Sends what there is to send. Half of the delay lies before the ledger, half behind it. */
  sync(delayMs = 0, fate: Fate = 'answered'): void {
    if (!this.unanswered && !this.desk.hasDemand) return;
    const { world } = this;
    const call = this.unanswered ?? this.nextCall();
    this.unanswered = call;
    const isHeard = !world.isAway && fate !== 'unheard';
    if (isHeard && fate === 'twice') world.ledger.call(call);
    const sentMs = this.nowMs;
    world.nowMs += Math.floor(delayMs / 2);
    const answer = isHeard ? world.ledger.call(call) : undefined;
    world.nowMs += Math.ceil(delayMs / 2);
    if (!isHeard || fate === 'unanswered') return this.desk.fail(this.nowMs);
    this.unanswered = undefined;
    if (answer) return this.desk.apply(call.items, answer, sentMs, this.nowMs);
    this.holder = `holder-${(holders += 1)}`;
    this.sequence = 0;
    this.desk.loseAll(this.nowMs);
  }

  /** @returns how many of the requests were admitted */
  async ask(requests: number, delayMs = 0, fate: Fate = 'answered', client = onlyClient): Promise<number> {
    let admitted = 0;
    const waiting: Promise<void>[] = [];
    const cells = this.book.cellsFor('iris', client, undefined);
    const take = (denial: Denial | undefined): void => {
      if (denial) return;
      admitted += 1;
      const counts = this.world.countsOf(cells);
      this.world.note(1, counts);
      this.open.push({ takenAtMs: this.nowMs, cells, counts });
    };
    for (let i = 0; i < requests; i += 1) {
      const verdict = this.desk.admit(cells, oneRequest, this.nowMs);
      if (verdict instanceof Promise) waiting.push(verdict.then(take));
      else take(verdict);
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
      const answer = this.world.ledger.call(underWay.call);
      if (answer) underWay.answer = answer;
    }
    if (nowMs - underWay.sentMs < delayMs || !underWay.answer) return;
    this.underWay = undefined;
    this.desk.apply(underWay.call.items, underWay.answer, underWay.sentMs, nowMs);
  }

  settleOne(): void {
    settleAll(this.cells, oneRequest, oneRequest, this.nowMs);
  }

  tick(): void {
    this.desk.tick(this.nowMs);
    this.sync();
  }

  /** Ends open requests; some fail, and give back what they took. */
  finish(failures: number): void {
    for (const [index, { takenAtMs, cells, counts }] of this.open.splice(0).entries()) {
      const isFailed = index < failures;
      settleAll(cells, oneRequest, isFailed ? noCosts : oneRequest, takenAtMs);
      if (isFailed) this.world.note(-1, counts);
    }
  }

  leave(): void {
    this.desk.giveBackAll();
    for (let round = 0; round < 5 && this.desk.hasDemand && !this.world.isAway; round += 1) this.sync();
  }

  private nextCall(): LeaseCall {
    const items = this.desk.collect(this.nowMs);
    return { holder: this.holder, sequence: (this.sequence += 1), hold_ms: 0, items };
  }
}
