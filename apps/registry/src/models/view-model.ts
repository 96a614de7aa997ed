/** Reads what models are shown with: two statements for a page, however long it is. */
import type { Model } from '#contracts/models';
import type { ModelEntity } from '#database/entities/model.entity';
import { AliasEntity } from '#database/entities/version.entity';
import { In } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { toModel } from './models.mapper.js';

export async function viewModels(manager: EntityManager, rows: readonly ModelEntity[]): Promise<Model[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const aliases = await manager.findBy(AliasEntity, { model_id: In(ids) });
  const latest = await manager.query<{ model_id: string; number: number }[]>(
    'SELECT model_id, max(number) AS number FROM versions WHERE model_id = ANY($1) GROUP BY model_id',
    [ids],
  );
  const numbers = new Map(latest.map(({ model_id, number }) => [model_id, number]));
  return rows.map((row) => toModel(row, aliases, numbers.get(row.id) ?? null));
}

/** One model as callers see it. */
export async function viewModel(manager: EntityManager, row: ModelEntity): Promise<Model> {
  const [model] = await viewModels(manager, [row]);
  if (!model) throw new Error('viewModels lost a row');
  return model;
}
