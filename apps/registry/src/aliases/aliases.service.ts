/** Aliases: movable names for versions, and their protection. Their history is the audit log's. */
import type { Alias, AliasChange, AliasHistoryQuery } from '#contracts/aliases';
import type { Page } from '#contracts/common';
import { AuditEntryEntity } from '#database/entities/client.entity';
import { AliasEntity } from '#database/entities/version.entity';
import { Transactions } from '#database/transactions';
import { Injectable } from '@nestjs/common';
import { DataSource, In, LessThan } from 'typeorm';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { JobQueue } from '../jobs/job-queue.js';
import { findModel, lockModel, requireUnarchived } from '../models/model-lookup.js';
import { findVersion } from '../versions/version-lookup.js';
import { findAlias, moveAlias, removeAlias, subjectOf } from './alias-store.js';
import { aliasActions, toAlias, toAliasChange } from './aliases.mapper.js';

const PageKey = z.tuple([z.uuid()]);

@Injectable()
export class AliasesService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    private readonly jobs: JobQueue,
  ) {}

  async list(modelName: string): Promise<{ items: Alias[] }> {
    const { manager } = this.dataSource;
    const model = await findModel(manager, modelName);
    const rows = await manager.find(AliasEntity, { where: { model_id: model.id }, order: { name: 'ASC' } });
    return { items: rows.map(toAlias) };
  }

  async set(modelName: string, name: string, number: number, caller: Caller): Promise<Alias> {
    const alias = await this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      requireUnarchived(model);
      return moveAlias(tx, model, name, await findVersion(tx.manager, model, number), caller);
    });
    await this.jobs.lookAgain('placement');
    return alias;
  }

  async remove(modelName: string, name: string, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      await removeAlias(tx, model, name, caller);
    });
    await this.jobs.lookAgain('placement');
  }

  setProtected(modelName: string, name: string, isProtected: boolean, caller: Caller): Promise<Alias> {
    return this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      const row = await findAlias(tx.manager, model, name);
      const before = toAlias(row);
      if (row.protected === isProtected) return before;
      row.protected = isProtected;
      const after = toAlias(await tx.manager.save(row));
      const action = isProtected ? 'alias.protect' : 'alias.unprotect';
      await tx.audit({ action, subject: subjectOf(model, name), before, after });
      return after;
    });
  }

  async history(
    modelName: string,
    name: string,
    query: z.output<typeof AliasHistoryQuery>,
  ): Promise<Page<AliasChange>> {
    const { manager } = this.dataSource;
    const model = await findModel(manager, modelName);
    const before = decodePageToken(query.page_token, PageKey);
    const rows = await manager.find(AuditEntryEntity, {
      where: {
        subject: subjectOf(model, name),
        action: In(Object.keys(aliasActions)),
        ...(before ? { id: LessThan(before[0]) } : {}),
      },
      order: { id: 'DESC' },
      take: query.page_size + 1,
    });
    const page = toPage(rows, query.page_size, (row) => [row.id]);
    return { ...page, items: page.items.map(toAliasChange) };
  }
}
