import type { Profile, Signature } from '#contracts/tensors';
import type { VersionConfig, VersionStatus } from '#contracts/models';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { bigint, instant, json, nullableInstant, nullableJson, tags } from '../columns.js';
import { ModelEntity } from './model.entity.js';
import { RunEntity } from './run.entity.js';

@Entity('versions')
@Unique('versions_model_number_key', ['model_id', 'number'])
@Check('versions_number_check', '"number" >= 1')
@Check('versions_status_check', `"status" IN ('PENDING', 'READY', 'FAILED')`)
@Check('versions_reason_check', `"status" <> 'FAILED' OR "status_reason" IS NOT NULL`)
@Index('versions_run_idx', ['run_id'])
@Index('versions_pending_idx', ['created_at'], { where: `"status" = 'PENDING'` })
@ForeignKey(() => ModelEntity, ['model_id'], ['id'], { name: 'versions_model_fkey' })
@ForeignKey(() => RunEntity, ['run_id'], ['id'], { name: 'versions_run_fkey' })
export class VersionEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'versions_pkey' })
  id!: string;
  @Column('uuid')
  model_id!: string;
  @Column('integer')
  number!: number;
  @Column('text', { default: 'PENDING' })
  status!: VersionStatus;
  @Column('text', { nullable: true })
  status_reason!: string | null;
  @Column('text', { default: '' })
  description!: string;
  @Column(tags)
  tags!: Record<string, string>;
  @Column('text')
  entry_file!: string;
  @Column(nullableJson)
  signature!: Signature | null;
  @Column(nullableJson)
  profile!: Profile | null;
  @Column('uuid', { nullable: true })
  run_id!: string | null;
  /** The revision in force; `config_revisions` holds it and those before it. */
  @Column('integer', { default: 1 })
  config_revision!: number;
  /** Has no files and is never placed: external nodes alone serve it. */
  @Column('boolean', { default: false })
  external!: boolean;
  /** Kept on a node even while nothing refers to it. */
  @Column('boolean', { default: true })
  held!: boolean;
  @Column(nullableInstant)
  archived_at!: Date | null;
  @Column(instant)
  created_at!: Date;
  @Column('text')
  created_by!: string;
}

/**
 * Bytes in the artifact store, by digest. Rows are shared by all versions that hold the same bytes. A row is written before
 * the bytes can be read, so bytes without a row do not exist.
 */
@Entity('artifacts')
@Index('artifacts_claimed_at_idx', ['claimed_at'])
@Check('artifacts_sha256_check', `"sha256" ~ '^[0-9a-f]{64}$'`)
@Check('artifacts_size_check', '"size_bytes" >= 0')
export class ArtifactEntity {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'artifacts_pkey' })
  sha256!: string;
  @Column(bigint)
  size_bytes!: number;
  @Column(instant)
  created_at!: Date;
  /** When somebody last stored these bytes: for a while after that only he knows what will refer to them. */
  @Column({ ...instant, default: () => 'now()' })
  claimed_at!: Date;
  /** Since when its stored bytes are known to have another digest. */
  @Column(nullableInstant)
  corrupt_at!: Date | null;
}

@Entity('version_files')
@Index('version_files_sha256_idx', ['sha256'])
@ForeignKey(() => VersionEntity, ['version_id'], ['id'], { name: 'version_files_version_fkey' })
@ForeignKey(() => ArtifactEntity, ['sha256'], ['sha256'], { name: 'version_files_artifact_fkey' })
export class VersionFileEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'version_files_pkey' })
  version_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'version_files_pkey' })
  path!: string;
  @Column('text')
  sha256!: string;
}

@Entity('config_revisions')
@Check('config_revisions_revision_check', '"revision" >= 1')
@ForeignKey(() => VersionEntity, ['version_id'], ['id'], { name: 'config_revisions_version_fkey' })
export class ConfigRevisionEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'config_revisions_pkey' })
  version_id!: string;
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'config_revisions_pkey' })
  revision!: number;
  @Column(json)
  config!: VersionConfig;
  @Column(instant)
  created_at!: Date;
  @Column('text')
  created_by!: string;
}

/** The foreign key over (model, number) makes an alias of another model's version impossible. */
@Entity('aliases')
@Index('aliases_version_idx', ['model_id', 'version_number'])
@ForeignKey(() => VersionEntity, ['model_id', 'version_number'], ['model_id', 'number'], {
  name: 'aliases_version_fkey',
})
export class AliasEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'aliases_pkey' })
  model_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'aliases_pkey' })
  name!: string;
  @Column('integer')
  version_number!: number;
  @Column('boolean', { default: false })
  protected!: boolean;
  @Column(instant)
  updated_at!: Date;
}
