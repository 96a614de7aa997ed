import type { Quota } from '#contracts/quotas';
import type { QuotaEntity } from '#database/entities/quota.entity';

export const toQuota = (row: QuotaEntity): Quota => ({
  id: row.id,
  name: row.name,
  team: row.team,
  client_id: row.client_id,
  endpoint: row.endpoint,
  unit: row.unit,
  window: row.window,
  limit: row.limit,
  refill_per_second: row.refill_per_second,
  per_client: row.per_client,
  mode: row.mode,
  outage: row.outage,
  revision: row.revision,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});
