import type { Model } from '#contracts/models';
import type { ModelEntity } from '#database/entities/model.entity';
import type { AliasEntity } from '#database/entities/version.entity';

/**
 * @param aliases those of this model, in any order
 * @param latest the highest number of a version that is there
 */
export const toModel = (row: ModelEntity, aliases: readonly AliasEntity[], latest: number | null): Model => ({
  id: row.id,
  name: row.name,
  description: row.description,
  tags: row.tags,
  aliases: Object.fromEntries(
    aliases
      .filter((alias) => alias.model_id === row.id)
      .map((alias) => [alias.name, alias.version_number] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  ),
  latest_version: latest,
  retention: row.retention,
  archived_at: row.archived_at?.toISOString() ?? null,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});
