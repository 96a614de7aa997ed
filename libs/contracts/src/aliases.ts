/** Aliases: movable names of versions, some of them protected. */
import { z } from 'zod';
import { AliasName, ModelName, Timestamp, VersionNumber, pageOf, pageQuery } from './common.js';

export const AliasParams = z.object({ model: ModelName, alias: AliasName });

export const Alias = z
  .object({
    alias: AliasName,
    version: VersionNumber,
    protected: z.boolean().describe('Only callers with the scope aliases:protect move or delete it'),
    updated_at: Timestamp,
  })
  .meta({ id: 'Alias' });
export type Alias = z.infer<typeof Alias>;
export const AliasList = z.object({ items: z.array(Alias) });
export const SetAlias = z.strictObject({ version: VersionNumber });

export const AliasChange = z
  .object({
    at: Timestamp,
    by: z.string(),
    change: z.enum(['set', 'delete', 'protect', 'unprotect']),
    version: VersionNumber.nullable().describe('What it named from then on; null: nothing'),
    previous_version: VersionNumber.nullable(),
  })
  .meta({ id: 'AliasChange' });
export type AliasChange = z.infer<typeof AliasChange>;
export const AliasHistoryQuery = z.strictObject({ ...pageQuery });
export const AliasHistory = pageOf(AliasChange);
