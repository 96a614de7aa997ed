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
import { LOGGER } from '../config.js';
import { lockCountsOf, readRules, writeCounts } from './ledger-store.js';
import { endOverrides } from './overrides.service.js';

/** An override that has ended is out of force at every gateway within 2 s. */
const sweepEveryMs = 1_000;
const actor = { subject: 'system', requestId: undefined };

@Injectable()
export class QuotaSweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | undefined;

  constructor(
    private readonly transactions: Transactions,
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

  async sweep(): Promise<void> {
    await this.transactions.write(actor, endOverrides);
    await this.transactions.write(actor, (tx) => endLeases(tx, false));
    await this.transactions.write(actor, (tx) => endLeases(tx, true));
  }
}

/** In place of a holder's `hold_ms`: what it held of concurrency is free again. */
const freed = -1;

/** Holders before counts, as lease calls lock them. Those that have ended are kept for a day: they must never come back. */
const lockSilent = `
  SELECT holder FROM quota_holders WHERE NOT ended AND expires_at < now() ORDER BY holder FOR UPDATE`;
const lockOver = `
  SELECT holder FROM quota_holders
  WHERE ended AND hold_ms >= 0 AND expires_at + hold_ms * interval '1 millisecond' < now() ORDER BY holder FOR UPDATE`;

/** @param isConcurrency requests at a time, which are freed, or all else, which counts as used */
async function endLeases({ manager }: WriteContext, isConcurrency: boolean): Promise<void> {
  const rows = await manager.query<{ holder: string }[]>(isConcurrency ? lockOver : lockSilent);
  const holders = rows.map(({ holder }) => holder);
  if (holders.length > 0) {
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
  await manager.query(`DELETE FROM quota_holders WHERE expires_at < now() - interval '1 day'`);
}
