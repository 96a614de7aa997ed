import type { Price, UsageBatch, UsageRow, UsageTotals } from '#contracts/usage';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { bigint, instant, json, nullableInstant, nullableJson } from '../columns.js';
import { EndpointEntity } from './endpoint.entity.js';

/** Sums of one hour. Names, not references: what was used stays when its endpoint or client goes. */
@Entity('usage_hours')
@Index('usage_hours_team_idx', ['team', 'hour'])
export class UsageHourEntity {
  @PrimaryColumn('timestamptz', { primaryKeyConstraintName: 'usage_hours_pkey' })
  hour!: Date;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'usage_hours_pkey' })
  team!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'usage_hours_pkey' })
  client_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'usage_hours_pkey' })
  endpoint!: string;
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'usage_hours_pkey' })
  version!: number;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'usage_hours_pkey' })
  outcome!: string;
  @Column(bigint)
  requests!: number;
  @Column(bigint)
  request_bytes!: number;
  @Column(bigint)
  response_bytes!: number;
  @Column(bigint)
  rows!: number;
  @Column(bigint)
  compute_us!: number;
}

/** A gateway's spool, and the last batch of it that was taken. */
@Entity('usage_sources')
export class UsageSourceEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'usage_sources_pkey' })
  source!: string;
  /** `gateway:<id>` */
  @Column('text')
  gateway!: string;
  @Column(bigint)
  last_sequence!: number;
  /** The sum of all batches that were taken. */
  @Column(json)
  taken!: UsageTotals;
  /** What the gateway said of itself in the last of them; null for one that does not. */
  @Column(nullableJson)
  balance!: UsageBatch['balance'] | null;
  @Column(instant)
  seen_at!: Date;
}

/** Where usage is sent: one row or none. */
@Entity('usage_export')
@Check('usage_export_one_check', 'id = 1')
export class UsageExportEntity {
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'usage_export_pkey' })
  id!: number;
  @Column('text')
  url!: string;
  /** Encrypted when the registry has a master key. */
  @Column('text', { nullable: true })
  token!: string | null;
  @Column('integer', { default: 0 })
  failures!: number;
  @Column('text', { nullable: true })
  last_error!: string | null;
  @Column(instant)
  next_attempt_at!: Date;
  @Column(nullableInstant)
  delivered_at!: Date | null;
  @Column(instant)
  created_at!: Date;
}

/** Usage on its way out, written in the transaction that counted it and deleted when it was taken. */
@Entity('usage_events')
export class UsageEventEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'usage_events_pkey' })
  source!: string;
  @PrimaryColumn('bigint', { primaryKeyConstraintName: 'usage_events_pkey', transformer: bigint.transformer })
  sequence!: number;
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'usage_events_pkey' })
  position!: number;
  @Column(json)
  row!: UsageRow;
}

@Entity('prices')
@Index('prices_endpoint_idx', ['endpoint'])
@Unique('prices_validity_key', ['unit', 'endpoint', 'valid_from'])
@Index('prices_general_key', ['unit', 'valid_from'], { unique: true, where: 'endpoint IS NULL' })
@Check('prices_price_check', 'price_per_million >= 0')
@ForeignKey(() => EndpointEntity, ['endpoint'], ['name'], { name: 'prices_endpoint_fkey' })
export class PriceEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'prices_pkey' })
  id!: string;
  @Column('text', { nullable: true })
  endpoint!: string | null;
  @Column('text')
  unit!: Price['unit'];
  @Column('text')
  currency!: string;
  @Column('numeric')
  price_per_million!: string;
  @Column(instant)
  valid_from!: Date;
  @Column(instant)
  created_at!: Date;
}
