import type { Client } from '#contracts/clients';
import type { ClientEntity } from '#database/entities/client.entity';

/** Without the secret's hash: what may be shown, and kept in the audit log. */
export const toClient = (row: ClientEntity): Client => ({
  id: row.id,
  client_id: row.client_id,
  name: row.name,
  team: row.team,
  scopes: row.scopes,
  endpoints: row.endpoints,
  expires_at: row.expires_at?.toISOString() ?? null,
  tokens_valid_from: row.tokens_valid_from?.toISOString() ?? null,
  disabled_at: row.disabled_at?.toISOString() ?? null,
  secret_rotated_at: row.secret_rotated_at.toISOString(),
  created_at: row.created_at.toISOString(),
});
