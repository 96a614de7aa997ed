/**
 * Ends what has had its time: leases of holders that were not heard for too long (they may have spent them, so what they held counts
 * as used; only concurrency is free again, once their last request must be over), and overrides.
 */
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { endLease } from '#quota/ledger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { lockCountsOf, readRules, writeCounts } from './ledger-store.js';
import { endOverrides } from './overrides.service.js';

/** An override that has ended is out of force at every gateway within 2 s. */
const sweepEveryMs = 1_000;
const actor = { subject: 'system', requestId: undefined };

@Injectable()
export class QuotaSweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | undefined;
  /** Holders that have ended, and since when this process knows. */
  private endedSinceMs: ReadonlyMap<string, number> = new Map();

  constructor(
    private readonly transactions: Transactions,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.sweeping ??= this.sweep()
        .catch((error: unknown) => this.logger.warn({ err: error }, 'quota leases could not be checked'))
        .finally(() => {
          this.sweeping = undefined;
        });
    }, sweepEveryMs);
    this.timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.sweeping;
  }

  /** @param nowMs on the clock of this process, which nobody sets */
  async sweep(nowMs = performance.now()): Promise<void> {
    await this.transactions.write(actor, endOverrides);
    await this.transactions.write(actor, async (tx) => {
      await endLeases(tx, await lockSilent(tx), 'all else');
      await tx.manager.query(deleteFreed);
    });
    await this.transactions.write(actor, async (tx) => {
      const over = this.over(await lockEnded(tx), nowMs);
      await endLeases(tx, over, 'concurrency');
    });
  }

  /**
   * Whose last request must be over, even if it began just before its gateway had to stop. Not by the database's clock: were that set
   * forward, requests of gateways that live would still run.
   */
  private over(ended: readonly EndedHolder[], nowMs: number): string[] {
    const since = new Map(ended.map(({ holder }) => [holder, this.endedSinceMs.get(holder) ?? nowMs]));
    this.endedSinceMs = since;
    const leaseMs = this.config.SLUICE_QUOTA_LEASE_MS;
    return ended
      .filter(({ holder, hold_ms: holdMs }) => nowMs - (since.get(holder) ?? nowMs) >= leaseMs + holdMs)
      .map(({ holder }) => holder);
  }
}

interface EndedHolder {
  readonly holder: string;
  /** The longest that a request can last. */
  readonly hold_ms: number;
}

/** In place of a holder's `hold_ms`: what it held of concurrency is free again. */
const freed = -1;

/** They are kept for a day: they must never come back. */
const deleteFreed = `
  DELETE FROM quota_holders WHERE ended AND hold_ms = ${freed} AND expires_at < now() - interval '1 day'`;

/** Holders before counts, as lease calls lock them. */
async function lockSilent({ manager }: WriteContext): Promise<string[]> {
  const rows = await manager.query<{ holder: string }[]>(
    'SELECT holder FROM quota_holders WHERE NOT ended AND expires_at < now() ORDER BY holder FOR UPDATE',
  );
  return rows.map(({ holder }) => holder);
}

const lockEnded = ({ manager }: WriteContext): Promise<EndedHolder[]> =>
  manager.query<EndedHolder[]>(
    'SELECT holder, hold_ms FROM quota_holders WHERE ended AND hold_ms >= 0 ORDER BY holder FOR UPDATE',
  );

/** @param units requests at a time, which are freed, or all else, which counts as used */
async function endLeases(
  { manager }: WriteContext,
  holders: readonly string[],
  units: 'concurrency' | 'all else',
): Promise<void> {
  if (holders.length === 0) return;
  const isConcurrency = units === 'concurrency';
  const counts = await lockCountsOf(manager, holders, isConcurrency);
  const rules = await readRules(manager, [...new Set(counts.map(({ quota_id }) => quota_id))]);
  const ended = counts.map((count) => {
    const rule = rules.get(count.quota_id);
    return rule
      ? holders.reduce((row, holder) => ({ ...count, ...endLease(rule, row, holder, rule.nowMs) }), count)
      : count;
  });
  await writeCounts(manager, ended);
  const change = isConcurrency ? `hold_ms = ${freed}` : 'ended = true';
  await manager.query(`UPDATE quota_holders SET ${change} WHERE holder = ANY($1::uuid[])`, [holders]);
}
