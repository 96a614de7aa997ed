/** Deletes what nobody asks for any more: sessions that are over, and buckets of attempts that are full again. Runs in every API process. */
import { messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';

const sweepEveryMs = 600_000;

@Injectable()
export class IdentitySweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.sweeping ??= this.sweep()
        .catch((error: unknown) =>
          this.logger.warn({ reason: messageOf(error) }, 'sessions could not be swept'),
        )
        .finally(() => (this.sweeping = undefined));
    }, sweepEveryMs).unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.sweeping;
  }

  /** An ended session is kept for as long as gateways must hear of it. */
  async sweep(): Promise<void> {
    await this.dataSource.query(
      `DELETE FROM sessions WHERE expires_at < now() - $1 * interval '1 second' OR ended_at < now() - $1 * interval '1 second'`,
      [this.config.SLUICE_TOKEN_TTL_S + 3_600],
    );
    await this.dataSource.query('DELETE FROM sign_in_flows WHERE expires_at < now()');
    // The slowest bucket is full again after half an hour.
    await this.dataSource.query(`DELETE FROM sign_in_attempts WHERE at < now() - interval '1 hour'`);
  }
}
