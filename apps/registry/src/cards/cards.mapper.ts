import type { ModelCard } from '#contracts/cards';
import type { ModelCardEntity } from '#database/entities/card.entity';

/** @param row nothing before the first revision */
export const toCard = (model: string, row: ModelCardEntity | null): ModelCard => ({
  model,
  markdown: row?.markdown ?? '',
  revision: row?.revision ?? 0,
  updated_at: row?.created_at.toISOString() ?? null,
  updated_by: row?.created_by ?? null,
});
