import type { ConfigRevision, Version, VersionFile } from '#contracts/models';
import type { AliasEntity, ConfigRevisionEntity, VersionEntity } from '#database/entities/version.entity';

/** The rows beside its own that a version is shown with. */
export interface VersionParts {
  readonly model: string;
  readonly files: readonly VersionFile[];
  readonly config: ConfigRevisionEntity;
  readonly aliases: readonly Pick<AliasEntity, 'name'>[];
}

export const toConfigRevision = (row: ConfigRevisionEntity): ConfigRevision => ({
  revision: row.revision,
  config: row.config,
  created_at: row.created_at.toISOString(),
  created_by: row.created_by,
});

export const toVersion = (row: VersionEntity, parts: VersionParts): Version => ({
  id: row.id,
  model: parts.model,
  version: row.number,
  status: row.status,
  status_reason: row.status_reason,
  description: row.description,
  tags: row.tags,
  aliases: parts.aliases.map((alias) => alias.name).toSorted(),
  files: parts.files.toSorted((one, other) => (one.path < other.path ? -1 : 1)),
  entry_file: row.entry_file,
  external: row.external,
  signature: row.signature,
  profile: row.profile,
  config: toConfigRevision(parts.config),
  run_id: row.run_id,
  held: row.held,
  archived_at: row.archived_at?.toISOString() ?? null,
  created_at: row.created_at.toISOString(),
  created_by: row.created_by,
});
