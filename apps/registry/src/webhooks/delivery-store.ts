/**
 * Deliveries in the database. An event becomes a delivery, and a place moves, in one transaction; an attempt is claimed by
 * moving its next time ahead, so that two workers never make the same one and one that dies loses nothing.
 */
import type { ChangeEvent } from '#contracts/events';
import { matchesType } from '#contracts/events';
import { webhookTestType } from '#contracts/webhooks';
import { WebhookDeliveryEntity, WebhookEntity } from '#database/entities/webhook.entity';
import type { EntityManager } from 'typeorm';
import { In } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { readEvents } from '../events/event-log.js';
import { reasonOf } from './retry.js';
import type { Attempt, Outcome } from './retry.js';
import { subjectOf } from './webhooks.service.js';

const eventsPerRead = 500;
const keptDays = 30;

/** Makes the next events into deliveries of one webhook that no one else is looking after. @returns whether there may be more */
export async function takeEvents(manager: EntityManager, newest: number): Promise<boolean> {
  const webhook = await manager
    .createQueryBuilder(WebhookEntity, 'webhook')
    .where('webhook.enabled AND webhook.place < :newest', { newest })
    .orderBy('webhook.place')
    .limit(1)
    .setLock('pessimistic_write')
    .setOnLocked('skip_locked')
    .getOne();
  if (!webhook) return false;
  const events = await readEvents(manager, webhook.place, eventsPerRead);
  const deliveries = events
    .filter((event) => isWanted(webhook, event))
    .map((event) => ({ id: uuidv7(), event_id: event.id, event }));
  await manager.query(
    `INSERT INTO webhook_deliveries (id, webhook_id, event_id, event, next_attempt_at, created_at)
     SELECT id, $1, event_id, event, now(), now()
     FROM jsonb_to_recordset($2) AS d(id uuid, event_id uuid, event jsonb) ON CONFLICT DO NOTHING`,
    [webhook.id, JSON.stringify(deliveries)],
  );
  await manager.update(WebhookEntity, { id: webhook.id }, { place: events.at(-1)?.number ?? newest });
  return true;
}

const isWanted = (webhook: WebhookEntity, event: ChangeEvent): boolean =>
  event.type === webhookTestType
    ? event.subject === subjectOf(webhook)
    : matchesType(event.type, webhook.types) && event.subject.startsWith(webhook.subject_prefix);

export interface DueDelivery {
  readonly row: WebhookDeliveryEntity;
  readonly webhook: WebhookEntity;
}

/** Takes attempts that are due, for `claimMs`: after that they are due again. */
export async function claimDue(
  manager: EntityManager,
  limit: number,
  claimMs: number,
): Promise<DueDelivery[]> {
  const [claimed] = await manager.query<[{ id: string }[], number]>(
    `UPDATE webhook_deliveries SET attempts = attempts + 1, next_attempt_at = now() + $2 * interval '1 ms'
     WHERE id IN (
       SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id AND w.enabled
       WHERE d.state = 'PENDING' AND d.next_attempt_at <= now()
       ORDER BY d.next_attempt_at LIMIT $1 FOR UPDATE OF d SKIP LOCKED)
     RETURNING id`,
    [limit, claimMs],
  );
  const rows = await manager.findBy(WebhookDeliveryEntity, { id: In(claimed.map(({ id }) => id)) });
  const webhooks = await manager.findBy(WebhookEntity, { id: In(rows.map((row) => row.webhook_id)) });
  const byId = new Map(webhooks.map((webhook) => [webhook.id, webhook]));
  return rows.flatMap((row) => {
    const webhook = byId.get(row.webhook_id);
    return webhook ? [{ row, webhook }] : [];
  });
}

/** Writes what became of an attempt, unless another one was made since (a claim that ran out, or a replay). */
export async function finish(
  manager: EntityManager,
  { id, attempts }: WebhookDeliveryEntity,
  attempt: Attempt,
  outcome: Outcome,
): Promise<void> {
  await manager.query(
    `UPDATE webhook_deliveries SET state = $3, response_status = $4, error = $5,
       next_attempt_at = CASE WHEN $3 = 'PENDING' THEN now() + $6 * interval '1 ms' END,
       finished_at = CASE WHEN $3 <> 'PENDING' THEN now() END
     WHERE id = $1 AND attempts = $2 AND state = 'PENDING'`,
    [
      id,
      attempts,
      outcome.state,
      attempt.kind === 'answered' ? attempt.status : null,
      reasonOf(attempt),
      outcome.state === 'PENDING' ? outcome.waitMs : 0,
    ],
  );
}

/** Deletes what was finished long ago. */
export async function forgetOld(manager: EntityManager): Promise<void> {
  await manager.query(
    `DELETE FROM webhook_deliveries WHERE id IN (
       SELECT id FROM webhook_deliveries WHERE finished_at < now() - $1 * interval '1 day' LIMIT 1000)`,
    [keptDays],
  );
}
