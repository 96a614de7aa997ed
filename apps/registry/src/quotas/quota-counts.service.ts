/** Lists the counts of a quota, and which gateway holds how much of each. Reads the ledger without a lock. */
import type { HeldLease, ListQuotaCounts, QuotaCount } from '#contracts/quotas';
import type { Page } from '#contracts/common';
import { QuotaHolderEntity, QuotaWindowEntity } from '#database/entities/quota.entity';
import { advance } from '#quota/ledger';
import type { Blocks } from '#quota/ledger';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, In, MoreThan } from 'typeorm';
import { z } from 'zod';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { decodePageToken, toPage } from '../http/page.js';
import { readRules, ruleOf } from './ledger-store.js';
import { quotaNotFound } from './quota-rows.js';
import { standingOf } from './standing.js';

const PageKey = z.tuple([z.string()]);

/** Gateways renew when half of a lease is over, and look once a second. */
const latenessMs = 3_000;

@Injectable()
export class QuotaCounts {
  constructor(
    private readonly dataSource: DataSource,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /** @throws SluiceError QUOTA_NOT_FOUND */
  async list(quotaId: string, query: z.output<typeof ListQuotaCounts>): Promise<Page<QuotaCount>> {
    const { manager } = this.dataSource;
    const timed = (await readRules(manager, [quotaId])).get(quotaId);
    if (!timed) throw quotaNotFound(quotaId);
    const after = decodePageToken(query.page_token, PageKey);
    const rows = await manager.find(QuotaWindowEntity, {
      where: { quota_id: quotaId, ...(after ? { key: MoreThan(after[0]) } : {}) },
      order: { key: 'ASC' },
      take: query.page_size + 1,
    });
    const counts = rows.map(({ key, window_start: windowStartMs, ...row }) => ({
      key,
      row: advance({ ...row, windowStartMs }, ruleOf(timed, key), timed.nowMs),
    }));
    const holders = await this.holdersOf(counts.map(({ row }) => row.leases));
    const page = toPage(counts, query.page_size, ({ key }) => [key]);
    return {
      ...page,
      items: page.items.map(({ key, row }) => ({
        client_id: key === '' ? null : key,
        ...standingOf(timed, key, row),
        leases: this.leasesOf(row.leases, holders, timed.nowMs),
      })),
    };
  }

  private async holdersOf(blocks: readonly Blocks[]): Promise<Map<string, QuotaHolderEntity>> {
    const holder = In([...new Set(blocks.flatMap((leases) => Object.keys(leases)))]);
    const rows = await this.dataSource.getRepository(QuotaHolderEntity).findBy({ holder });
    return new Map(rows.map((row) => [row.holder, row]));
  }

  private leasesOf(
    leases: Blocks,
    holders: ReadonlyMap<string, QuotaHolderEntity>,
    nowMs: number,
  ): HeldLease[] {
    const dueMs = this.config.SLUICE_QUOTA_LEASE_MS / 2 - latenessMs;
    return Object.entries(leases).flatMap(([id, held]) => {
      const holder = holders.get(id);
      if (!holder) return [];
      return [
        {
          gateway: holder.gateway,
          held,
          expires_at: holder.expires_at.toISOString(),
          overdue: holder.expires_at.getTime() - nowMs < dueMs,
        },
      ];
    });
  }
}
