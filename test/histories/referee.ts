/**
 * What quotas promise, read anew: who was let in, and when, against the limits that were in force. No window admits more than its
 * limit, no bucket more than its size and what has leaked since, and no more requests run at a time than may. It judges by what
 * happened and must share no code with what it judges.
 */
import { expect } from 'vitest';
import type { SnapshotQuota } from '#contracts/snapshot';

type Costs = Readonly<Record<SnapshotQuota['unit'], number>>;

/** What a request reserves of one count. */
export interface Claim {
  readonly quota: SnapshotQuota;
  /** Whose count it is when each client is counted apart. */
  readonly key: string;
  readonly amount: number;
  /** In which window; the same for all where there are none. */
  readonly window: string;
}

/** Limits as they are from a moment on, with overrides. */
export interface Limits {
  readonly fromMs: number;
  of(quotaId: string, key: string): number;
}

interface Sum {
  /** Of a bucket: its level. */
  charged: number;
  granted: number;
  resets: number;
  leakedAtMs: number;
}

interface Charge {
  readonly claim: Claim;
  readonly sum: Sum;
  /** Of which reset it is: what was let in before does not count after. */
  readonly resets: number;
  isOver: boolean;
}

/** What a request was charged; to be ended once. */
export type Ticket = readonly Charge[];

/** Of values that hold one after the other: those that held at some time since then. */
export const heldSince = <T extends { readonly fromMs: number }>(
  values: readonly T[],
  sinceMs: number,
): T[] => values.filter((_, n) => (values[n + 1]?.fromMs ?? Infinity) >= sinceMs);

const tolerance = 1e-6;

export class Referee {
  private readonly sums = new Map<string, Sum>();

  constructor(
    private readonly limits: readonly Limits[],
    /** By which buckets leak: the latest that the ledger's clock has shown. */
    private readonly clockMs: () => number,
  ) {}

  /** @param sinceMs a limit that was in force then may still have been gone by */
  admitted(claims: readonly Claim[], sinceMs: number): Ticket {
    return claims.map((claim) => {
      const sum = this.sumOf(claim.quota, claim.key, claim.window);
      sum.charged += claim.amount;
      const limit = this.greatestLimit(claim, sinceMs);
      const granted = claim.quota.window === 'bucket' ? 0 : sum.granted;
      // Who takes nothing is let in also where a limit was lowered under what had been admitted by then.
      if (claim.amount > 0)
        expect(sum.charged, `${claim.quota.name} ${claim.window}`).toBeLessThanOrEqual(
          limit + granted + tolerance,
        );
      return { claim, sum, resets: sum.resets, isOver: false };
    });
  }

  /** The request used so much of what it had reserved; of concurrency nothing. */
  ended(ticket: Ticket, used: Costs): void {
    for (const charge of ticket) {
      const { unit } = charge.claim.quota;
      this.end(charge, unit === 'concurrency' ? 0 : used[unit]);
    }
  }

  /** The request is over, whatever its gateway knows of it. */
  freed(ticket: Ticket): void {
    for (const charge of ticket) if (charge.claim.quota.unit === 'concurrency') this.end(charge, 0);
  }

  granted(quota: SnapshotQuota, key: string, window: string, amount: number): void {
    const sum = this.sumOf(quota, key, window);
    sum.granted += amount;
    if (quota.window === 'bucket') sum.charged -= amount;
  }

  /** What gateways hold of an extra grant outlives it. */
  reset(quota: SnapshotQuota): void {
    for (const [name, sum] of this.sums) {
      if (!name.startsWith(`${quota.name} `) || quota.unit === 'concurrency') continue;
      sum.resets += 1;
      sum.charged = quota.window === 'bucket' ? -sum.granted : 0;
    }
  }

  /** Of the limits that were in force since then. */
  greatestLimit({ quota, key }: Pick<Claim, 'quota' | 'key'>, sinceMs: number): number {
    return Math.max(...heldSince(this.limits, sinceMs).map((limits) => limits.of(quota.id, key)));
  }

  private end(charge: Charge, used: number): void {
    const { claim, sum, resets, isOver } = charge;
    charge.isOver = true;
    if (isOver || resets !== sum.resets) return;
    const { quota, key, amount, window } = claim;
    this.sumOf(quota, key, window);
    // What has leaked out of a bucket cannot be given back.
    const least = quota.window === 'bucket' ? -sum.granted : 0;
    sum.charged = Math.max(least, sum.charged - (amount - used));
  }

  private sumOf(quota: SnapshotQuota, key: string, window: string): Sum {
    const name = `${quota.name} ${key} ${window}`;
    const nowMs = this.clockMs();
    const sum = this.sums.get(name) ?? { charged: 0, granted: 0, resets: 0, leakedAtMs: nowMs };
    this.sums.set(name, sum);
    const leaked = ((nowMs - sum.leakedAtMs) * (quota.refill_per_second ?? 0)) / 1_000;
    sum.leakedAtMs = nowMs;
    if (sum.charged > 0) sum.charged = Math.max(0, sum.charged - leaked);
    return sum;
  }
}

const fixedMs = { second: 1_000, minute: 60_000, hour: 3_600_000 } as const;

/** The window of a moment, by its name: seconds, minutes and hours are counted; days and months are called as the zone's calendar does. */
export function windowName(
  { window }: Pick<SnapshotQuota, 'window'>,
  timeZone: string,
  atMs: number,
): string {
  switch (window) {
    case null:
    case 'bucket':
      return 'always';
    case 'second':
    case 'minute':
    case 'hour':
      return `${window} ${Math.floor(atMs / fixedMs[window])}`;
    case 'day':
    case 'month': {
      const date = new Intl.DateTimeFormat('sv-SE', { timeZone }).format(atMs);
      return window === 'day' ? date : date.slice(0, '2026-11'.length);
    }
  }
}
