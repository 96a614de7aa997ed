import type { Price } from '#contracts/usage';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { bigint, instant } from '../columns.js';
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
  @Column(instant)
  seen_at!: Date;
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
