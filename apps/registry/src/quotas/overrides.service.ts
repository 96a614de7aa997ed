/** Overrides: another limit for a time. The ledger goes by them at once; the quota's new revision tells gateways to ask anew. */
import type { OverrideQuota, QuotaOverride, RevokeOverride } from '#contracts/quotas';
import { QuotaEntity, QuotaOverrideEntity } from '#database/entities/quota.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, LessThanOrEqual, MoreThan } from 'typeorm';
import type { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { lockQuota, quotaNotFound, saveChanged, subjectOf } from './quota-rows.js';
import { toOverride } from './quotas.mapper.js';

@Injectable()
export class OverridesService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
  ) {}

  async list(id: string): Promise<QuotaOverride[]> {
    const { manager } = this.dataSource;
    if (!(await manager.existsBy(QuotaEntity, { id }))) throw quotaNotFound(id);
    const rows = await manager.find(QuotaOverrideEntity, {
      where: { quota_id: id, ends_at: MoreThan(new Date()) },
      order: { key: 'ASC' },
    });
    return rows.map(toOverride);
  }

  /** Puts another limit in force, in place of an override for the same count. */
  put(id: string, input: z.output<typeof OverrideQuota>, caller: Caller): Promise<QuotaOverride> {
    const row: QuotaOverrideEntity = {
      quota_id: id,
      key: input.client_id ?? '',
      limit: input.limit,
      ends_at: new Date(input.until),
      created_at: new Date(),
    };
    if (row.ends_at <= row.created_at)
      throw new SluiceError('INVALID_REQUEST', '`until` has passed: an override needs an end in the future.');
    return this.transactions.write(caller, async (tx) => {
      const quota = await lockQuota(tx, id);
      if (row.key !== '' && (quota.client_id !== null || !quota.per_client))
        throw new SluiceError('INVALID_REQUEST', 'This quota has one count: name no client.');
      const last = await tx.manager.findOneBy(QuotaOverrideEntity, { quota_id: id, key: row.key });
      await tx.manager.save(QuotaOverrideEntity, row);
      await saveChanged(tx, quota);
      await tx.audit({
        action: 'quota.override',
        subject: subjectOf(quota),
        before: last ? toOverride(last) : undefined,
        after: toOverride(row),
      });
      return toOverride(row);
    });
  }

  /** @throws SluiceError NOT_FOUND when there is no such override */
  async revoke(id: string, input: z.output<typeof RevokeOverride>, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const quota = await lockQuota(tx, id);
      const row = await tx.manager.findOneBy(QuotaOverrideEntity, {
        quota_id: id,
        key: input.client_id ?? '',
      });
      if (!row) throw new SluiceError('QUOTA_OVERRIDE_NOT_FOUND', 'No such override is in force.');
      await end(tx, quota, row, 'quota.revoke_override');
    });
  }
}

/** Ends the overrides whose time is over. */
export async function endOverrides(tx: WriteContext): Promise<void> {
  const rows = await tx.manager.find(QuotaOverrideEntity, {
    where: { ends_at: LessThanOrEqual(new Date()) },
    order: { quota_id: 'ASC', key: 'ASC' },
    take: 100,
  });
  for (const { quota_id, key } of rows) {
    const quota = await lockQuota(tx, quota_id);
    // Under the lock of its quota: another registry may have ended it, or an operator have put a new one in its place.
    const row = await tx.manager.findOneBy(QuotaOverrideEntity, { quota_id, key });
    if (row && row.ends_at <= new Date()) await end(tx, quota, row, 'quota.end_override');
  }
}

async function end(
  tx: WriteContext,
  quota: QuotaEntity,
  row: QuotaOverrideEntity,
  action: string,
): Promise<void> {
  await tx.manager.delete(QuotaOverrideEntity, { quota_id: row.quota_id, key: row.key });
  await saveChanged(tx, quota);
  await tx.audit({ action, subject: subjectOf(quota), before: toOverride(row) });
}
