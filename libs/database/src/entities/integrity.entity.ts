/** Whose signatures count, what they have signed, and whether a signature is asked for. */
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { instant, nullableInstant } from '../columns.js';
import { VersionEntity } from './version.entity.js';

@Entity('trusted_keys')
@Unique('trusted_keys_fingerprint_key', ['fingerprint'])
export class TrustedKeyEntity {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'trusted_keys_pkey' })
  name!: string;
  @Column('text')
  public_key!: string;
  @Column('text')
  fingerprint!: string;
  @Column(nullableInstant)
  revoked_at!: Date | null;
  @Column(instant)
  created_at!: Date;
  @Column('text')
  created_by!: string;
}

/** A signature that was good when it was added; it counts as long as its key is not revoked. */
@Entity('attestations')
@Index('attestations_key_idx', ['key_name'])
@ForeignKey(() => VersionEntity, ['version_id'], ['id'], { name: 'attestations_version_fkey' })
@ForeignKey(() => TrustedKeyEntity, ['key_name'], ['name'], { name: 'attestations_key_fkey' })
export class AttestationEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'attestations_pkey' })
  version_id!: string;
  @PrimaryColumn('text', { primaryKeyConstraintName: 'attestations_pkey' })
  key_name!: string;
  /** Base64 */
  @Column('text')
  signature!: string;
  @Column(instant)
  created_at!: Date;
  @Column('text')
  created_by!: string;
}

/** The platform's policy: one row, or none yet. */
@Entity('release_policy')
@Check('release_policy_one_check', '"id" = 1')
export class ReleasePolicyEntity {
  @PrimaryColumn('integer', { primaryKeyConstraintName: 'release_policy_pkey' })
  id!: number;
  @Column('boolean')
  signed_only!: boolean;
}
