/** Model cards, with all their revisions. The audit log names revisions; their text is kept here alone. */
import type { ListModelCards, ModelCard } from '#contracts/cards';
import type { Page } from '#contracts/common';
import { ModelCardEntity } from '#database/entities/card.entity';
import { Transactions } from '#database/transactions';
import { Injectable } from '@nestjs/common';
import { DataSource, LessThan } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { requireRevision } from '../http/etag.js';
import type { ExpectedRevision } from '../http/etag.js';
import { decodePageToken, toPage } from '../http/page.js';
import { findModel, lockModel } from '../models/model-lookup.js';
import { toCard } from './cards.mapper.js';

const PageKey = z.tuple([z.int()]);

@Injectable()
export class CardsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
  ) {}

  async read(modelName: string): Promise<ModelCard> {
    const { manager } = this.dataSource;
    const model = await findModel(manager, modelName);
    return toCard(model.name, await newest(manager, model.id));
  }

  put(modelName: string, markdown: string, expected: ExpectedRevision, caller: Caller): Promise<ModelCard> {
    return this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      const before = toCard(model.name, await newest(tx.manager, model.id));
      requireRevision(expected, before.revision);
      if (before.markdown === markdown) return before;
      const row: ModelCardEntity = {
        model_id: model.id,
        revision: before.revision + 1,
        markdown,
        created_at: new Date(),
        created_by: caller.subject,
      };
      await tx.manager.insert(ModelCardEntity, row);
      const after = toCard(model.name, row);
      await tx.audit({
        action: 'model.set_card',
        subject: `models/${model.name}`,
        before: outline(before),
        after: outline(after),
      });
      return after;
    });
  }

  async history(modelName: string, query: z.output<typeof ListModelCards>): Promise<Page<ModelCard>> {
    const { manager } = this.dataSource;
    const model = await findModel(manager, modelName);
    const before = decodePageToken(query.page_token, PageKey);
    const rows = await manager.find(ModelCardEntity, {
      where: { model_id: model.id, ...(before ? { revision: LessThan(before[0]) } : {}) },
      order: { revision: 'DESC' },
      take: query.page_size + 1,
    });
    return toPage(
      rows.map((row) => toCard(model.name, row)),
      query.page_size,
      (card) => [card.revision],
    );
  }
}

const newest = (manager: EntityManager, modelId: string): Promise<ModelCardEntity | null> =>
  manager.findOne(ModelCardEntity, { where: { model_id: modelId }, order: { revision: 'DESC' } });

const outline = ({ model, revision, markdown }: ModelCard) => ({
  model,
  revision,
  characters: markdown.length,
});
