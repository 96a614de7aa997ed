import type { Quota } from '#contracts/clients';
import type { QuotaEntity } from '#database/entities/client.entity';

export const toQuota = (row: QuotaEntity): Quota => ({
  id: row.id,
  name: row.name,
  client_id: row.client_id,
  endpoint: row.endpoint,
  window: row.window,
  limit: row.limit,
  per_client: row.per_client,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});
