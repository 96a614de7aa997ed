/**
 * Aliases: movable names for versions. One that gets traffic never points at a version that cannot serve, and one that is
 * protected is never moved or deleted by a caller without the scope for it. Their history is the audit log's.
 */
import type { Alias, AliasChange, AliasHistoryQuery } from '#contracts/aliases';
import type { Page } from '#contracts/common';
import { allows } from '#contracts/scopes';
import { AuditEntryEntity } from '#database/entities/client.entity';
import { TrafficTargetEntity } from '#database/entities/endpoint.entity';
import type { ModelEntity } from '#database/entities/model.entity';
import { AliasEntity } from '#database/entities/version.entity';
import type { VersionEntity } from '#database/entities/version.entity';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource, In, LessThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { requireReady } from '../endpoints/traffic-targets.js';
import type { Caller } from '../http/caller.js';
import { decodePageToken, toPage } from '../http/page.js';
import { requireReleasable } from '../integrity/attestations.js';
import { JobQueue } from '../jobs/job-queue.js';
import { findModel, lockModel, requireUnarchived } from '../models/model-lookup.js';
import { tellHolders } from '../nodes/tell-nodes.js';
import { findVersion } from '../versions/version-lookup.js';
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
      await requireFit(tx.manager, model, name, await findVersion(tx.manager, model, number));
      const before = await tx.manager.findOneBy(AliasEntity, { model_id: model.id, name });
      if (before?.version_number === number) return toAlias(before);
      if (before) requireMayMove(before, caller);
      const row: AliasEntity = {
        model_id: model.id,
        name,
        version_number: number,
        protected: before?.protected ?? false,
        updated_at: new Date(),
      };
      await tx.manager.upsert(AliasEntity, row, ['model_id', 'name']);
      const [was, is] = [before ? toAlias(before) : undefined, toAlias(row)];
      await tx.audit({ action: 'alias.set', subject: subjectOf(model, name), before: was, after: is });
      await tellHolders(tx.manager, model.id);
      tx.routingChanged();
      return is;
    });
    await this.jobs.lookAgain('placement');
    return alias;
  }

  async remove(modelName: string, name: string, caller: Caller): Promise<void> {
    await this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      const row = await findAlias(tx.manager, model, name);
      requireMayMove(row, caller);
      if (await getsTraffic(tx.manager, model, name))
        throw new SluiceError(
          'VERSION_IN_USE',
          `Traffic goes to the alias "${name}". Take it out of it first.`,
        );
      await tx.manager.delete(AliasEntity, { model_id: model.id, name });
      await tx.audit({ action: 'alias.delete', subject: subjectOf(model, name), before: toAlias(row) });
      await tellHolders(tx.manager, model.id);
      tx.routingChanged();
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

async function findAlias(manager: EntityManager, model: ModelRef, name: string): Promise<AliasEntity> {
  const row = await manager.findOneBy(AliasEntity, { model_id: model.id, name });
  if (row) return row;
  throw new SluiceError('ALIAS_NOT_FOUND', `The model "${model.name}" has no alias "${name}".`);
}

function requireMayMove(row: AliasEntity, caller: Caller): void {
  if (!row.protected || allows(caller.scopes, 'aliases:protect')) return;
  throw new SluiceError(
    'ALIAS_PROTECTED',
    `The alias "${row.name}" is protected. Moving or deleting it needs the scope aliases:protect.`,
  );
}

type ModelRef = Pick<ModelEntity, 'id' | 'name'>;

/** Any version that is not archived and that the release policy lets pass may be named; one that gets traffic by the name must be READY. */
async function requireFit(
  manager: EntityManager,
  model: ModelRef,
  name: string,
  version: VersionEntity,
): Promise<void> {
  if (version.archived_at || (await getsTraffic(manager, model, name))) requireReady(model.name, version);
  await requireReleasable(manager, model, [version]);
}

const getsTraffic = (manager: EntityManager, model: ModelRef, alias: string): Promise<boolean> =>
  manager.existsBy(TrafficTargetEntity, { model_id: model.id, alias });

const subjectOf = (model: ModelRef, name: string): string => `models/${model.name}/aliases/${name}`;
