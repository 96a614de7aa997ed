import type { Quota, QuotaOverride } from '#contracts/quotas';
import type { QuotaEntity, QuotaOverrideEntity } from '#database/entities/quota.entity';

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
  alert_at: row.alert_at,
  revision: row.revision,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});

export const toOverride = (row: QuotaOverrideEntity): QuotaOverride => ({
  client_id: row.key === '' ? null : row.key,
  limit: row.limit,
  until: row.ends_at.toISOString(),
  created_at: row.created_at.toISOString(),
});
