/** Quotas: what a client, an endpoint or everybody may use. Gateways learn of each change by the snapshot. */
import type { CreateQuota, ListQuotas, Quota, UpdateQuota } from '#contracts/clients';
import type { Page } from '#contracts/common';
import { QuotaEntity } from '#database/entities/client.entity';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, MoreThan } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { violatedConstraint } from '../http/violations.js';
import { toQuota } from './quotas.mapper.js';

const PageKey = z.tuple([z.uuid()]);

@Injectable()
export class QuotasService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
  ) {}

  create(input: z.output<typeof CreateQuota>, caller: Caller): Promise<Quota> {
    const now = new Date();
    const row: QuotaEntity = { id: uuidv7(), ...input, created_at: now, updated_at: now };
    return this.transactions.write(caller, async (tx) => {
      await tx.manager.insert(QuotaEntity, row).catch((error: unknown) => {
        throw refusalOf(error, row) ?? error;
      });
      await tx.audit({ action: 'quota.create', subject: subjectOf(row), after: toQuota(row) });
      tx.routingChanged();
      return toQuota(row);
    });
  }

  async list(query: z.output<typeof ListQuotas>): Promise<Page<Quota>> {
    const after = decodePageToken(query.page_token, PageKey);
    const rows = await this.dataSource.getRepository(QuotaEntity).find({
      where: {
        ...(after ? { id: MoreThan(after[0]) } : {}),
        ...(query.client_id === undefined ? {} : { client_id: query.client_id }),
        ...(query.endpoint === undefined ? {} : { endpoint: query.endpoint }),
      },
      order: { id: 'ASC' },
      take: query.page_size + 1,
    });
    return toPage(rows.map(toQuota), query.page_size, (quota) => [quota.id]);
  }

  update(id: string, { limit }: z.output<typeof UpdateQuota>, caller: Caller): Promise<Quota> {
    return this.transactions.write(caller, async (tx) => {
      const row = await lockQuota(tx, id);
      if (row.limit === limit) return toQuota(row);
      const before = toQuota(row);
      row.limit = limit;
      row.updated_at = new Date();
      const after = toQuota(await tx.manager.save(row));
      await tx.audit({ action: 'quota.update', subject: subjectOf(row), before, after });
      tx.routingChanged();
      return after;
    });
  }

  async remove(id: string, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const row = await lockQuota(tx, id);
      await tx.manager.delete(QuotaEntity, { id });
      await tx.audit({ action: 'quota.delete', subject: subjectOf(row), before: toQuota(row) });
      tx.routingChanged();
    });
  }
}

async function lockQuota({ manager }: WriteContext, id: string): Promise<QuotaEntity> {
  const row = await manager.findOne(QuotaEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
  if (!row) throw new SluiceError('QUOTA_NOT_FOUND', `There is no quota ${id}.`);
  return row;
}

const subjectOf = (row: QuotaEntity): string => `quotas/${row.name}`;

/** What a violated constraint means to the caller. */
function refusalOf(error: unknown, row: QuotaEntity): SluiceError | undefined {
  const constraint = violatedConstraint(error);
  if (constraint === 'quotas_name_key')
    return new SluiceError('ALREADY_EXISTS', `There is a quota ${row.name} already.`);
  if (constraint === 'quotas_client_fkey')
    return new SluiceError('CLIENT_NOT_FOUND', `There is no client ${row.client_id ?? ''}.`);
  if (constraint === 'quotas_endpoint_fkey')
    return new SluiceError('ENDPOINT_NOT_FOUND', `There is no endpoint ${row.endpoint ?? ''}.`);
  return undefined;
}
