import type { Alias } from '#contracts/models';
import type { AliasEntity } from '#database/entities/version.entity';

export const toAlias = (row: AliasEntity): Alias => ({
  alias: row.name,
  version: row.version_number,
  updated_at: row.updated_at.toISOString(),
});
