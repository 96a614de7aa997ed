/** Ends leases whose holders were not heard for too long. They may have spent them, so what they held counts as used; only concurrency is free again. */
import { retryDeadlocks } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { LOGGER } from '../config.js';

const sweepEveryMs = 5_000;

@Injectable()
export class QuotaSweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | undefined;

  constructor(
    private readonly dataSource: DataSource,
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

  sweep(): Promise<void> {
    return retryDeadlocks(() => this.dataSource.transaction(endLeases));
  }
}

async function endLeases(manager: EntityManager): Promise<void> {
  // Counts before leases, as lease calls lock them.
  await manager.query(
    `SELECT 1 FROM quota_windows w WHERE EXISTS (
       SELECT 1 FROM quota_leases l WHERE l.quota_id = w.quota_id AND l.key = w.key AND l.expires_at < now())
     ORDER BY w.quota_id, w.key COLLATE "C" FOR UPDATE`,
  );
  await manager.query(
    `WITH ended AS (DELETE FROM quota_leases WHERE expires_at < now() RETURNING quota_id, key, amount),
          sums AS (SELECT quota_id, key, sum(amount) AS amount FROM ended GROUP BY quota_id, key)
     UPDATE quota_windows w SET leased = w.leased - s.amount,
       used = w.used + CASE WHEN q.unit = 'concurrency' THEN 0 ELSE s.amount END
     FROM sums s JOIN quotas q ON q.id = s.quota_id WHERE w.quota_id = s.quota_id AND w.key = s.key`,
  );
  await manager.query(`DELETE FROM quota_holders WHERE seen_at < now() - interval '1 day'`);
}
