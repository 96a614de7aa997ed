import type { Person } from '#contracts/people';
import type { PersonEntity } from '#database/entities/person.entity';

/** Without the password's hash: what may be shown, and kept in the audit log. */
export const toPerson = (row: PersonEntity): Person => ({
  id: row.id,
  login: row.login,
  name: row.name,
  roles: row.roles,
  has_password: row.password_hash !== null,
  provider: row.provider,
  disabled_at: row.disabled_at?.toISOString() ?? null,
  last_sign_in_at: row.last_sign_in_at?.toISOString() ?? null,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});
