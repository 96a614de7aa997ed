import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';

const rowsAtOnce = 10_000;

/**
 * The job that forgets events after their time. What a webhook has not been sent yet stays, and so does the newest event:
 * by it a reader who comes back sees that nothing is missing.
 */
@Injectable()
export class EventRetention {
  constructor(
    private readonly dataSource: DataSource,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  async run(): Promise<void> {
    for (let deleted = rowsAtOnce; deleted === rowsAtOnce;)
      [, deleted] = await this.dataSource.query<[unknown, number]>(
        `DELETE FROM events WHERE number IN (
           SELECT number FROM events
           WHERE at < now() - $1 * interval '1 day' AND number < (SELECT max(number) FROM events)
             AND number <= ALL (SELECT place FROM webhooks WHERE enabled)
           ORDER BY number LIMIT $2)`,
        [this.config.SLUICE_EVENT_RETENTION_DAYS, rowsAtOnce],
      );
  }
}
