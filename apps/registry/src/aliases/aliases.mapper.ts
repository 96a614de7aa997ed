import { Alias } from '#contracts/aliases';
import type { AliasChange } from '#contracts/aliases';
import type { AuditEntryEntity } from '#database/entities/client.entity';
import type { AliasEntity } from '#database/entities/version.entity';

export const toAlias = (row: AliasEntity): Alias => ({
  alias: row.name,
  version: row.version_number,
  protected: row.protected,
  updated_at: row.updated_at.toISOString(),
});

/** What the audit log calls the changes of an alias. */
export const aliasActions = {
  'alias.set': 'set',
  'alias.delete': 'delete',
  'alias.protect': 'protect',
  'alias.unprotect': 'unprotect',
} as const satisfies Record<string, AliasChange['change']>;

/** @param entry of one of the {@link aliasActions} */
export const toAliasChange = (entry: AuditEntryEntity): AliasChange => ({
  at: entry.at.toISOString(),
  by: entry.actor,
  change: aliasActions[entry.action as keyof typeof aliasActions],
  version: versionIn(entry.after),
  previous_version: versionIn(entry.before),
});

const Named = Alias.pick({ version: true });
const versionIn = (alias: unknown): number | null => Named.safeParse(alias).data?.version ?? null;
