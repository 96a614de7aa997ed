import type { Delivery, Webhook } from '#contracts/webhooks';
import type { WebhookDeliveryEntity, WebhookEntity } from '#database/entities/webhook.entity';

export const toWebhook = (row: WebhookEntity): Webhook => ({
  id: row.id,
  name: row.name,
  url: row.url,
  types: row.types,
  subject_prefix: row.subject_prefix,
  enabled: row.enabled,
  created_at: row.created_at.toISOString(),
  created_by: row.created_by,
  updated_at: row.updated_at.toISOString(),
});

export const toDelivery = (row: WebhookDeliveryEntity): Delivery => ({
  id: row.id,
  event_number: row.event.number,
  event_type: row.event.type,
  subject: row.event.subject,
  state: row.state,
  attempts: row.attempts,
  next_attempt_at: row.next_attempt_at?.toISOString() ?? null,
  response_status: row.response_status,
  error: row.error,
  created_at: row.created_at.toISOString(),
  finished_at: row.finished_at?.toISOString() ?? null,
});
