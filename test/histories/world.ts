/** What random histories happen in: one true time, a ledger with a clock of its own, quotas that operators change, and gateways. */
import { expect } from 'vitest';
import { SnapshotQuota } from '#contracts/snapshot';
import type { LeaseAnswer, LeaseCall } from '#contracts/quotas';
import type { Cell } from '#quota/cell';
import type { Costs } from '#quota/costs';
import { sumOf } from '#quota/ledger';
import { MemoryLedger } from '#quota/memory-ledger.case';
import { windowAt } from '#quota/windows';
import type { CalendarWindow } from '#quota/windows';
import { Gateway, holdMs } from './gateway.js';
import { Referee, windowName } from './referee.js';
import type { Claim, Limits, Ticket } from './referee.js';

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

export interface Setting {
  readonly startMs?: number;
  readonly timeZone?: string;
  /** Admissions count where the true time puts them; else, by clocks that are set, where they were charged. */
  readonly isOnTime?: boolean;
}

/** Of the quota, under the name of a client or, for all counts, under none. */
type Overrides = ReadonlyMap<string, number>;

const leaseMs = 30_000;

interface Running {
  readonly untilMs: number;
  readonly ticket: Ticket;
}

export class World {
  nowMs: number;
  /** How far the ledger's clock is off. */
  stepMs = 0;
  isAway = false;
  readonly isOnTime: boolean;
  readonly timeZone: string;
  readonly ledger: MemoryLedger;
  readonly referee: Referee;
  /** The latest that the ledger has seen its clock show. */
  latestLedgerMs = 0;
  gateways: Gateway[];
  private overrides: Overrides = new Map();
  private readonly limits: Limits[] = [];
  /** The oldest first. */
  private readonly running: Running[] = [];

  constructor(
    public quotas: readonly SnapshotQuota[],
    gateways: number,
    { startMs = Date.UTC(2026, 0, 1) + 17_000, timeZone = 'UTC', isOnTime = true }: Setting = {},
  ) {
    this.nowMs = startMs;
    this.timeZone = timeZone;
    this.isOnTime = isOnTime;
    this.noteLimits();
    this.referee = new Referee(this.limits, () => this.latestLedgerMs);
    this.ledger = new MemoryLedger(
      (id, key) => {
        const quota = this.quotas.find((row) => row.id === id);
        if (!quota) return undefined;
        const limit = this.limitOf(quota, key);
        return { ...quota, limit, refillPerSecond: quota.refill_per_second, timeZone, alertAt: [] };
      },
      () => {
        this.latestLedgerMs = Math.max(this.latestLedgerMs, this.ledgerMs);
        return this.ledgerMs;
      },
      leaseMs,
      () => this.nowMs,
    );
    this.gateways = Array.from({ length: gateways }, (_, index) => new Gateway(this, index));
  }

  get ledgerMs(): number {
    return this.nowMs + this.stepMs;
  }

  windowEndMs(window: CalendarWindow): number {
    return windowAt(window, this.timeZone, this.nowMs).endMs;
  }

  limitOf({ id, limit }: SnapshotQuota, key: string): number {
    return this.overrides.get(`${id} ${key}`) ?? this.overrides.get(`${id} `) ?? limit;
  }

  /** Another limit, for good. Gateways hear of it by and by. */
  setLimit(id: string, limit: number): void {
    this.change(id, { limit });
  }

  /** Another limit for a client or for all, until it is undefined again. */
  override(id: string, key: string, limit: number | undefined): void {
    const others = [...this.overrides].filter(([name]) => name !== `${id} ${key}`);
    this.overrides = new Map(limit === undefined ? others : [...others, [`${id} ${key}`, limit]]);
    this.change(id, {});
  }

  /** More for one count, in the window of the moment. */
  grant(quota: SnapshotQuota, key: string, amount: number): void {
    const startMs = this.ledger.grant(quota.id, key, amount);
    const window = this.isOnTime ? windowName(quota, this.timeZone, this.nowMs) : String(startMs);
    this.referee.granted(quota, key, quota.window === 'bucket' ? 'always' : window, amount);
    this.change(quota.id, {});
  }

  reset(quota: SnapshotQuota): void {
    this.ledger.reset(quota.id);
    this.referee.reset(quota);
    this.change(quota.id, {});
  }

  /** A lease call reaches the ledger. What is used and held grows no further than the limit of the moment. */
  serve(call: LeaseCall): LeaseAnswer | undefined {
    const totals = (): number[][] =>
      call.items.map(({ quota_id, key }) => {
        const row = this.ledger.row(quota_id, key);
        return [row.used + sumOf(row.leases), sumOf(row.ahead)];
      });
    const before = totals();
    const answer = this.ledger.call(call);
    for (const [n, after] of totals().entries()) {
      const { quota_id, key } = call.items[n] ?? { quota_id: '', key: '' };
      const quota = this.quotas.find(({ id }) => id === quota_id);
      const limit = quota ? this.limitOf(quota, key) : 0;
      const most = Math.max(limit, ...(before[n] ?? []));
      for (const total of after) expect(total).toBeLessThanOrEqual(most);
    }
    return answer;
  }

  /** @param sinceMs the gateway goes by a limit that was in force then, or later */
  admitted(charged: readonly Cell[], costs: Costs, sinceMs: number): Ticket {
    const claims = charged
      .filter(({ enforced }) => enforced)
      .map(({ quota, key, windowStart }): Claim => {
        const isTimed = quota.window !== null && quota.window !== 'bucket';
        const window =
          this.isOnTime || !isTimed ? windowName(quota, this.timeZone, this.nowMs) : String(windowStart);
        return { quota, key, amount: costs[quota.unit], window };
      });
    this.endOverdue();
    const ticket = this.referee.admitted(claims, sinceMs);
    if (charged.some(({ quota }) => quota.unit === 'concurrency'))
      this.running.push({ untilMs: this.nowMs + holdMs, ticket });
    return ticket;
  }

  /** No request lasts longer than its deadline, whatever becomes of its gateway. */
  endOverdue(): void {
    for (let [first] = this.running; first && first.untilMs <= this.nowMs; [first] = this.running) {
      this.referee.freed(first.ticket);
      this.running.shift();
    }
  }

  private change(id: string, over: Partial<SnapshotQuota>): void {
    this.quotas = this.quotas.map((quota) =>
      quota.id === id ? { ...quota, ...over, revision: quota.revision + 1 } : quota,
    );
    this.noteLimits();
  }

  private noteLimits(): void {
    const { quotas, overrides } = this;
    const of = (id: string, key: string): number =>
      overrides.get(`${id} ${key}`) ??
      overrides.get(`${id} `) ??
      quotas.find((quota) => quota.id === id)?.limit ??
      0;
    this.limits.push({ fromMs: this.nowMs, of });
  }
}
