import type { AuditEntry } from '#contracts/clients';
import type { AuditEntryEntity } from '#database/entities/client.entity';

export const toAuditEntry = (row: AuditEntryEntity): AuditEntry => ({
  id: row.id,
  at: row.at.toISOString(),
  actor: row.actor,
  action: row.action,
  subject: row.subject,
  before: row.before,
  after: row.after,
  request_id: row.request_id,
});
