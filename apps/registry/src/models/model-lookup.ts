/** How features under a model find it. Every change below a model locks its row first, so such changes never race. */
import { ModelEntity } from '#database/entities/model.entity';
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';

/** @throws SluiceError MODEL_NOT_FOUND */
export async function findModel(manager: EntityManager, name: string): Promise<ModelEntity> {
  return requireModel(await manager.findOneBy(ModelEntity, { name }), name);
}

/** Holds the model until the transaction ends. Reading it, and rows that refer to it, are not held up. */
export async function lockModel(manager: EntityManager, name: string): Promise<ModelEntity> {
  const model = await manager.findOne(ModelEntity, { where: { name }, lock: { mode: 'for_no_key_update' } });
  return requireModel(model, name);
}

/** @throws SluiceError MODEL_ARCHIVED */
export function requireUnarchived(model: Pick<ModelEntity, 'name' | 'archived_at'>): void {
  if (model.archived_at === null) return;
  throw new SluiceError('MODEL_ARCHIVED', `The model "${model.name}" is archived. Restore it first.`);
}

function requireModel(model: ModelEntity | null, name: string): ModelEntity {
  if (model) return model;
  throw new SluiceError('MODEL_NOT_FOUND', `There is no model "${name}".`);
}
