/** Quotas as rows that are being changed. */
import type { Quota } from '#contracts/quotas';
import { QuotaEntity } from '#database/entities/quota.entity';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { toQuota } from './quotas.mapper.js';

/** The new revision tells gateways to give back what they hold and to ask anew. */
export async function saveChanged(tx: WriteContext, row: QuotaEntity): Promise<Quota> {
  row.revision += 1;
  row.updated_at = new Date();
  tx.routingChanged();
  return toQuota(await tx.manager.save(row));
}

export async function lockQuota({ manager }: WriteContext, id: string): Promise<QuotaEntity> {
  const row = await manager.findOne(QuotaEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (!row) throw quotaNotFound(id);
  return row;
}

export const subjectOf = (row: QuotaEntity): string => `quotas/${row.name}`;

export const quotaNotFound = (id: string): SluiceError =>
  new SluiceError('QUOTA_NOT_FOUND', `There is no quota ${id}.`);
