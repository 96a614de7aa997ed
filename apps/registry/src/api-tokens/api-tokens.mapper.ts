import type { ApiToken } from '#contracts/api-tokens';
import type { ApiTokenEntity } from '#database/entities/api-token.entity';

/** @param login of the holder, if that is a person */
export const toApiToken = (row: ApiTokenEntity, login: string | null): ApiToken => ({
  id: row.id,
  name: row.name,
  client_id: row.client_id,
  login,
  scopes: row.scopes,
  created_by: row.created_by,
  created_at: row.created_at.toISOString(),
  expires_at: row.expires_at?.toISOString() ?? null,
  last_used_at: row.last_used_at?.toISOString() ?? null,
  revoked_at: row.revoked_at?.toISOString() ?? null,
});
