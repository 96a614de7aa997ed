/** Retention rules: set and shown by the API, followed by the worker. What is used is refused by the same checks as by hand. */
import type { Model } from '#contracts/models';
import type { RetentionPreview, RetentionRule } from '#contracts/retention';
import { ModelEntity } from '#database/entities/model.entity';
import { Transactions } from '#database/transactions';
import type { Actor } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, IsNull, Not } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { LOGGER } from '../config.js';
import type { Caller } from '../http/caller.js';
import { findModel, lockModel } from '../models/model-lookup.js';
import { viewModel } from '../models/view-model.js';
import { archiveVersion, deleteVersion, isOnNode } from '../versions/version-removal.js';
import { findVersion } from '../versions/version-lookup.js';
import { planRetention } from './retention-plan.js';
import type { RetainedVersion } from './retention-plan.js';

const system: Actor = { subject: 'system', requestId: undefined };

@Injectable()
export class RetentionService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  set(modelName: string, retention: RetentionRule | null, caller: Caller): Promise<Model> {
    return this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      const before = await viewModel(tx.manager, model);
      model.retention = retention;
      await tx.manager.update(ModelEntity, { id: model.id }, { retention, updated_at: new Date() });
      const after = await viewModel(tx.manager, model);
      await tx.audit({ action: 'model.set_retention', subject: `models/${model.name}`, before, after });
      return after;
    });
  }

  async preview(modelName: string, rule: RetentionRule): Promise<RetentionPreview> {
    const { manager } = this.dataSource;
    const model = await findModel(manager, modelName);
    return planRetention(await readVersions(manager, model), rule, new Date());
  }

  /** Follows the rules of all models; one model's trouble is not another's. */
  async run(now: Date = new Date()): Promise<void> {
    const models = await this.dataSource.manager.findBy(ModelEntity, { retention: Not(IsNull()) });
    for (const { name } of models)
      await this.follow(name, now).catch((error: unknown) => {
        this.logger.error({ err: error, model: name }, 'the retention rule could not be followed');
      });
  }

  private follow(modelName: string, now: Date): Promise<void> {
    return this.transactions.write(system, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      if (model.retention === null) return;
      const plan = planRetention(await readVersions(tx.manager, model), model.retention, now);
      for (const number of plan.archive)
        await archiveVersion(tx, model, await findVersion(tx.manager, model, number));
      for (const number of plan.delete) {
        const row = await findVersion(tx.manager, model, number);
        if (!(await isOnNode(tx.manager, row))) await deleteVersion(tx, model, row);
      }
    });
  }
}

function readVersions(manager: EntityManager, model: Pick<ModelEntity, 'id'>): Promise<RetainedVersion[]> {
  return manager.query<RetainedVersion[]>(
    `SELECT v.number, v.status, v.created_at AS "createdAt", v.archived_at IS NOT NULL AS "isArchived",
       EXISTS (SELECT 1 FROM traffic_targets t WHERE t.model_id = v.model_id AND t.version_number = v.number) AS "hasTraffic",
       EXISTS (SELECT 1 FROM aliases a WHERE a.model_id = v.model_id AND a.version_number = v.number) AS "hasAlias"
     FROM versions v WHERE v.model_id = $1`,
    [model.id],
  );
}
