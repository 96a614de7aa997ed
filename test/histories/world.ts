/** What random histories happen in: one true time, a ledger with a clock of its own, and gateways with theirs. */
import { expect } from 'vitest';
import { SnapshotQuota } from '#contracts/snapshot';
import type { LeaseAnswer, LeaseCall } from '#contracts/quotas';
import { QuotaBook } from '#quota/book';
import { noCosts, oneRequest } from '#quota/cell';
import type { Cell } from '#quota/cell';
import { LeaseDesk, settleAll } from '#quota/lease-desk';
import { sumOf } from '#quota/ledger';
import { MemoryLedger } from '#quota/memory-ledger.case';
import { windowAt } from '#quota/windows';

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
  /** Admitted requests by quota and window. */
  private readonly admitted = new Map<string, number>();

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

  get windowEndMs(): number {
    return windowAt('minute', 'UTC', this.nowMs).endMs;
  }

  /** @param change 1: a request was admitted; -1: one that was admitted then failed, and gave back what it took */
  note(change: 1 | -1, windows: readonly string[]): void {
    for (const [n, window] of windows.entries()) {
      const key = `${n} ${window}`;
      this.admitted.set(key, (this.admitted.get(key) ?? 0) + change);
      expect(this.admitted.get(key)).toBeLessThanOrEqual(this.quotas[n]?.limit ?? 0);
    }
  }

  /** The window that each quota counts an admission of now in. */
  windowsOf(cells: readonly Cell[]): string[] {
    const { startMs } = windowAt('minute', 'UTC', this.nowMs);
    return cells.map((cell) => String(this.isOnTime ? startMs : cell.windowStart));
  }

  check(): void {
    this.latestLedgerMs = Math.max(this.latestLedgerMs, this.ledgerMs);
    for (const [n, row] of [...this.ledger.rows.values()].entries())
      expect(row.used + sumOf(row.leases)).toBeLessThanOrEqual(this.quotas[n]?.limit ?? 0);
  }
}

let holders = 0;

interface Open {
  readonly takenAtMs: number;
  readonly windows: readonly string[];
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
    return this.book.cellsFor('iris', 'client', undefined);
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
  async ask(requests: number, delayMs = 0, fate: Fate = 'answered'): Promise<number> {
    let admitted = 0;
    const waiting: Promise<void>[] = [];
    const take = (isAdmitted: boolean, takenAtMs: number, windows: readonly string[]): void => {
      if (!isAdmitted) return;
      admitted += 1;
      this.world.note(1, windows);
      this.open.push({ takenAtMs, windows });
    };
    for (let i = 0; i < requests; i += 1) {
      const verdict = this.desk.admit(this.cells, oneRequest, this.nowMs);
      if (!(verdict instanceof Promise))
        take(verdict === undefined, this.nowMs, this.world.windowsOf(this.cells));
      else
        waiting.push(
          verdict.then((denial) => take(denial === undefined, this.nowMs, this.world.windowsOf(this.cells))),
        );
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
    for (const [index, { takenAtMs, windows }] of this.open.splice(0).entries()) {
      const isFailed = index < failures;
      settleAll(this.cells, oneRequest, isFailed ? noCosts : oneRequest, takenAtMs);
      if (isFailed) this.world.note(-1, windows);
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
