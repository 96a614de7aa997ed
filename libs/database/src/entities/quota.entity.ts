/** Quotas and the ledger of what was used of them and what gateways hold. */
import type { LeaseAnswer, Quota } from '#contracts/quotas';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { bigint, instant, nullableJson } from '../columns.js';
import { ClientEntity } from './client.entity.js';
import { EndpointEntity } from './endpoint.entity.js';
import { TeamEntity } from './team.entity.js';

@Entity('quotas')
@Unique('quotas_name_key', ['name'])
@Index('quotas_team_idx', ['team'])
@Index('quotas_client_idx', ['client_id'])
@Index('quotas_endpoint_idx', ['endpoint'])
@Check('quotas_unit_check', `"unit" IN ('requests', 'bytes', 'compute_ms', 'concurrency')`)
@Check('quotas_window_check', `"window" IN ('second', 'minute', 'hour', 'day', 'month', 'bucket')`)
@Check('quotas_mode_check', `"mode" IN ('enforce', 'shadow')`)
@Check('quotas_outage_check', `"outage" IN ('deny', 'local_share', 'open')`)
@Check('quotas_limit_check', '"limit" >= 0')
@ForeignKey(() => TeamEntity, ['team'], ['name'], { name: 'quotas_team_fkey' })
@ForeignKey(() => ClientEntity, ['client_id'], ['client_id'], { name: 'quotas_client_fkey' })
@ForeignKey(() => EndpointEntity, ['endpoint'], ['name'], { name: 'quotas_endpoint_fkey' })
export class QuotaEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'quotas_pkey' })
  id!: string;
  @Column('text')
  name!: string;
  @Column('text', { nullable: true })
  team!: string | null;
  @Column('text', { nullable: true })
  client_id!: string | null;
  @Column('text', { nullable: true })
  endpoint!: string | null;
  @Column('text', { default: 'requests' })
  unit!: Quota['unit'];
  @Column('text', { nullable: true })
  window!: Quota['window'];
  @Column(bigint)
  limit!: number;
  @Column('double precision', { nullable: true })
  refill_per_second!: number | null;
  @Column('boolean', { default: true })
  per_client!: boolean;
  @Column('text', { default: 'enforce' })
  mode!: Quota['mode'];
  @Column('text', { default: 'deny' })
  outage!: Quota['outage'];
  @Column('integer', { default: 1 })
  revision!: number;
  @Column(instant)
  created_at!: Date;
  @Column(instant)
  updated_at!: Date;
}

/** One count: the newest window of a quota, or of one client under it. */
@Entity('quota_windows')
@ForeignKey(() => QuotaEntity, ['quota_id'], ['id'], {
  name: 'quota_windows_quota_fkey',
  onDelete: 'CASCADE',
})
export class QuotaWindowEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'quota_windows_pkey' })
  quota_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'quota_windows_pkey' })
  key!: string;
  /** In Unix milliseconds; of a bucket when it was last refilled. */
  @Column('double precision')
  window_start!: number;
  @Column(bigint)
  used!: number;
  /** In the hands of gateways: the sum of the leases. */
  @Column(bigint)
  leased!: number;
}

/** The block of one count that one gateway process holds. */
@Entity('quota_leases')
@Index('quota_leases_expires_idx', ['expires_at'])
@ForeignKey(() => QuotaWindowEntity, ['quota_id', 'key'], ['quota_id', 'key'], {
  name: 'quota_leases_window_fkey',
  onDelete: 'CASCADE',
})
export class QuotaLeaseEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'quota_leases_pkey' })
  quota_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'quota_leases_pkey' })
  key!: string;
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'quota_leases_pkey' })
  holder!: string;
  @Column(bigint)
  amount!: number;
  @Column(instant)
  expires_at!: Date;
}

/** One gateway process, and its last call, so that the call can be sent again. */
@Entity('quota_holders')
export class QuotaHolderEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'quota_holders_pkey' })
  holder!: string;
  /** `gateway:<id>` */
  @Column('text')
  gateway!: string;
  @Column(bigint)
  last_sequence!: number;
  @Column(nullableJson)
  last_answer!: LeaseAnswer | null;
  @Column(instant)
  seen_at!: Date;
}
