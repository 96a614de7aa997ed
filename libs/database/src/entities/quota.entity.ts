/** Quotas and the ledger of what was used of them and what gateways hold. */
import type { Quota } from '#contracts/quotas';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { bigint, instant, json } from '../columns.js';
import { ClientEntity } from './client.entity.js';
import { EndpointEntity } from './endpoint.entity.js';
import { TeamEntity } from './team.entity.js';

@Entity('quotas')
@Unique('quotas_name_key', ['name'])
@Index('quotas_team_idx', ['team'])
@Index('quotas_client_idx', ['client_id'])
@Index('quotas_endpoint_idx', ['endpoint'])
@Check('quotas_unit_check', `"unit" IN ('requests', 'rows', 'bytes', 'compute_ms', 'concurrency')`)
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
  @Column('double precision', { array: true, default: [] })
  alert_at!: number[];
  @Column('integer', { default: 1 })
  revision!: number;
  @Column(instant)
  created_at!: Date;
  @Column(instant)
  updated_at!: Date;
}

/** Another limit for a time, of one client's count or of all counts of a quota. */
@Entity('quota_overrides')
@Index('quota_overrides_ends_idx', ['ends_at'])
@Check('quota_overrides_limit_check', '"limit" >= 0')
@ForeignKey(() => QuotaEntity, ['quota_id'], ['id'], {
  name: 'quota_overrides_quota_fkey',
  onDelete: 'CASCADE',
})
export class QuotaOverrideEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'quota_overrides_pkey' })
  quota_id!: string;
  /** The client; empty: all. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'quota_overrides_pkey' })
  key!: string;
  @Column(bigint)
  limit!: number;
  @Column(instant)
  ends_at!: Date;
  @Column(instant)
  created_at!: Date;
}

/** One count: the newest window of a quota, or of one client under it. One row, so that one lock holds all that must agree. */
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
  /** What each holder has of it. */
  @Column(json)
  leases!: Record<string, number>;
  /** What each holder has of the window after it. */
  @Column(json)
  ahead!: Record<string, number>;
  /** The greatest share of the limit that was told in this window. */
  @Column('double precision')
  alerted!: number;
}

/** One gateway process. Its leases end when it was not heard for too long, and never live again. */
@Entity('quota_holders')
export class QuotaHolderEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'quota_holders_pkey' })
  holder!: string;
  /** `gateway:<id>` */
  @Column('text')
  gateway!: string;
  @Column(bigint)
  last_sequence!: number;
  @Column(instant)
  expires_at!: Date;
  /** How long its requests can last after that. */
  @Column('integer')
  hold_ms!: number;
  /** What it held counts as used. */
  @Column('boolean', { default: false })
  ended!: boolean;
}
