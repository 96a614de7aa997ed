/** Where usage is sent, as people set it. */
import type { PutUsageExport, UsageExport } from '#contracts/usage-export';
import { UsageEventEntity, UsageExportEntity } from '#database/entities/usage.entity';
import { Transactions } from '#database/transactions';
import { SluiceError, messageOf } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import type { z } from 'zod';
import { toStored } from '../auth/key-seal.js';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import type { Caller } from '../http/caller.js';
import { requirePublicHost } from '../http/outbound.js';

/** Of the sealed token. */
export const tokenName = 'usage-export';
/** The one row that there can be. */
export const exportId = 1;
const subject = 'usage-export';

@Injectable()
export class UsageExportService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** @throws SluiceError NOT_FOUND */
  async read(): Promise<UsageExport> {
    const { manager } = this.dataSource;
    return toExport(await find(manager), await manager.count(UsageEventEntity));
  }

  /** What is waiting goes to the new address. */
  put(input: z.output<typeof PutUsageExport>, caller: Caller): Promise<UsageExport> {
    this.requireReachable(input.url);
    const { SLUICE_MASTER_KEY: masterKey } = this.config;
    return this.transactions.write(caller, async (tx) => {
      const last = await tx.manager.findOneBy(UsageExportEntity, { id: exportId });
      const now = new Date();
      const row = await tx.manager.save(UsageExportEntity, {
        id: exportId,
        url: input.url,
        token: input.token === null ? null : toStored(input.token, tokenName, masterKey),
        failures: 0,
        last_error: null,
        next_attempt_at: now,
        delivered_at: last?.delivered_at ?? null,
        created_at: last?.created_at ?? now,
      });
      const waiting = await tx.manager.count(UsageEventEntity);
      const before = last ? toExport(last, waiting) : undefined;
      await tx.audit({ action: 'usage_export.set', subject, before, after: toExport(row, waiting) });
      return toExport(row, waiting);
    });
  }

  async remove(caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const before = toExport(await find(tx.manager), await tx.manager.count(UsageEventEntity));
      await tx.manager.delete(UsageExportEntity, { id: exportId });
      await tx.manager.query('DELETE FROM usage_events');
      await tx.audit({ action: 'usage_export.delete', subject, before });
    });
  }

  private requireReachable(url: string): void {
    if (this.config.SLUICE_WEBHOOK_PRIVATE_ADDRESSES) return;
    try {
      requirePublicHost(url);
    } catch (error) {
      throw new SluiceError('INVALID_REQUEST', messageOf(error));
    }
  }
}

async function find(manager: EntityManager): Promise<UsageExportEntity> {
  const row = await manager.findOneBy(UsageExportEntity, { id: exportId });
  if (!row) throw new SluiceError('USAGE_EXPORT_NOT_FOUND', 'Usage is not sent anywhere.');
  return row;
}

const toExport = (row: UsageExportEntity, waiting: number): UsageExport => ({
  url: row.url,
  has_token: row.token !== null,
  waiting,
  failures: row.failures,
  last_error: row.last_error,
  next_attempt_at: row.next_attempt_at.toISOString(),
  delivered_at: row.delivered_at?.toISOString() ?? null,
  created_at: row.created_at.toISOString(),
});
