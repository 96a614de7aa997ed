/** Says how the quotas that apply to a client stand. Reads the ledger without a lock: what it says was true a moment ago. */
import type { ExplainQuotas, QuotaExplanation } from '#contracts/quotas';
import { ClientEntity } from '#database/entities/client.entity';
import { QuotaEntity } from '#database/entities/quota.entity';
import { SluiceError } from '#platform/errors';
import { emptyRow } from '#quota/ledger';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { nameOf, readCounts, readRules } from './ledger-store.js';
import { toQuota } from './quotas.mapper.js';
import { standingOf } from './standing.js';

type Standing = QuotaExplanation['quotas'][number];

@Injectable()
export class QuotaExplainer {
  constructor(private readonly dataSource: DataSource) {}

  /** @throws SluiceError CLIENT_NOT_FOUND */
  async explain({ client_id, endpoint }: z.output<typeof ExplainQuotas>): Promise<QuotaExplanation> {
    const { manager } = this.dataSource;
    const client = await manager.findOneBy(ClientEntity, { client_id });
    if (!client) throw new SluiceError('CLIENT_NOT_FOUND', `There is no client ${client_id}.`);
    const rows = await this.applying(client, endpoint);
    const counts = rows.map((row) => ({
      row,
      quota_id: row.id,
      key: row.client_id === null && row.per_client ? client_id : '',
    }));
    const rules = await readRules(
      manager,
      rows.map(({ id }) => id),
    );
    const found = await readCounts(manager, counts);
    const quotas = counts.flatMap((count): Standing[] => {
      const rule = rules.get(count.quota_id);
      if (!rule) return [];
      const standing = standingOf(rule, count.key, found.get(nameOf(count)) ?? emptyRow);
      return [{ quota: toQuota(count.row), ...standing }];
    });
    const denying = quotas.filter(({ quota, state }) => quota.mode === 'enforce' && state === 'exhausted');
    return { client_id, team: client.team, denied_by: denying.map(({ quota }) => quota.name), quotas };
  }

  /** Without an endpoint: those of all endpoints as well. */
  private applying({ client_id, team }: ClientEntity, endpoint: string | undefined): Promise<QuotaEntity[]> {
    const query = this.dataSource
      .createQueryBuilder(QuotaEntity, 'q')
      .where('(q.client_id IS NULL OR q.client_id = :client_id)', { client_id })
      .andWhere('(q.team IS NULL OR q.team = :team)', { team });
    if (endpoint !== undefined)
      query.andWhere('(q.endpoint IS NULL OR q.endpoint = :endpoint)', { endpoint });
    return query.orderBy('q.id').getMany();
  }
}
