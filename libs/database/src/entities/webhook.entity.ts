import type { ChangeEvent } from '#contracts/events';
import type { DeliveryState } from '#contracts/webhooks';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { bigint, instant, json, nullableInstant } from '../columns.js';

@Entity('webhooks')
@Unique('webhooks_name_key', ['name'])
export class WebhookEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'webhooks_pkey' })
  id!: string;
  @Column('text')
  name!: string;
  @Column('text')
  url!: string;
  @Column(json)
  types!: string[];
  @Column('text', { default: '' })
  subject_prefix!: string;
  /** `whsec_…`; encrypted when the registry has a master key. */
  @Column('text')
  secret!: string;
  @Column('boolean', { default: true })
  enabled!: boolean;
  /** The number of the last event that was looked at: what comes after it is yet to be made into deliveries. */
  @Column(bigint)
  place!: number;
  @Column(instant)
  created_at!: Date;
  @Column('text')
  created_by!: string;
  @Column(instant)
  updated_at!: Date;
}

/** An event on its way to a webhook. Both together are unique, so looking at an event twice delivers it once. */
@Entity('webhook_deliveries')
@Unique('webhook_deliveries_event_key', ['webhook_id', 'event_id'])
@Index('webhook_deliveries_log_idx', ['webhook_id', 'id'])
@Index('webhook_deliveries_due_idx', ['next_attempt_at'], { where: `"state" = 'PENDING'` })
@Index('webhook_deliveries_finished_idx', ['finished_at'])
@Check('webhook_deliveries_state_check', `"state" IN ('PENDING', 'DELIVERED', 'FAILED')`)
@Check('webhook_deliveries_due_check', `("state" = 'PENDING') = ("next_attempt_at" IS NOT NULL)`)
@ForeignKey(() => WebhookEntity, ['webhook_id'], ['id'], {
  name: 'webhook_deliveries_webhook_fkey',
  onDelete: 'CASCADE',
})
export class WebhookDeliveryEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'webhook_deliveries_pkey' })
  id!: string;
  @Column('uuid')
  webhook_id!: string;
  @Column('uuid')
  event_id!: string;
  /** As it is sent. */
  @Column(json)
  event!: ChangeEvent;
  @Column('text', { default: 'PENDING' })
  state!: DeliveryState;
  @Column('integer', { default: 0 })
  attempts!: number;
  /** While an attempt is under way, when it counts as lost with the process that made it. */
  @Column(nullableInstant)
  next_attempt_at!: Date | null;
  @Column('integer', { nullable: true })
  response_status!: number | null;
  @Column('text', { nullable: true })
  error!: string | null;
  @Column(instant)
  created_at!: Date;
  @Column(nullableInstant)
  finished_at!: Date | null;
}
