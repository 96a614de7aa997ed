/** Takes nodes that have stopped renewing out of traffic. Runs in every API process; a lock lets one sweep at a time. */
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { performance } from 'node:perf_hooks';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { JobQueue } from '../jobs/job-queue.js';
import { LeaseClock } from './lease-clock.js';

const sweepEveryMs = 1_000;
const maxGapMs = 3_000;
const sweepLock = 7_201_003;
const actor = { subject: 'system', requestId: undefined };

@Injectable()
export class LeaseSweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly clock: LeaseClock;
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | undefined;

  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
    @Inject(CONFIG) config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.clock = new LeaseClock(config.SLUICE_LEASE_MS, maxGapMs);
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.sweeping ??= this.sweep().finally(() => {
        this.sweeping = undefined;
      });
    }, sweepEveryMs);
    this.timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.sweeping;
  }

  private async sweep(): Promise<void> {
    try {
      const lost = await this.transactions.write(actor, (tx) => this.endLeases(tx));
      if (lost.length === 0) return;
      this.logger.warn({ nodes: lost }, 'nodes lost their leases');
      await this.jobs.lookAgain('placement');
    } catch (error) {
      this.clock.reset();
      this.logger.warn({ err: error }, 'leases could not be checked');
    }
  }

  private async endLeases(tx: WriteContext): Promise<string[]> {
    const [lock] = await tx.manager.query<{ held: boolean }[]>(
      'SELECT pg_try_advisory_xact_lock($1) AS held',
      [sweepLock],
    );
    const mayEnd = this.clock.tick(performance.now());
    if (!lock?.held || !mayEnd) return [];
    const [lost] = await tx.manager.query<[{ id: string; name: string }[], number]>(
      `UPDATE nodes SET state = 'LOST' WHERE id IN (
         SELECT id FROM nodes WHERE state <> 'LOST' AND lease_expires_at < now() ORDER BY id FOR NO KEY UPDATE)
       RETURNING id, name`,
    );
    for (const { id, name } of lost)
      await tx.event({ type: 'node.lost', subject: `nodes/${id}`, data: { name } });
    if (lost.length > 0) tx.routingChanged();
    return lost.map((node) => node.name);
  }
}
