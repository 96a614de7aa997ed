import type { AuditEntry, Jwk } from '#contracts/clients';
import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { instant, json, nullableInstant, nullableJson } from '../columns.js';
import { TeamEntity } from './team.entity.js';

/** A replaced secret that still works for a while. */
export interface OldSecret {
  readonly hash: string;
  /** RFC 3339 */
  readonly expires_at: string;
}

@Entity('clients')
@Index('clients_team_idx', ['team'])
@ForeignKey(() => TeamEntity, ['team'], ['name'], { name: 'clients_team_fkey' })
@Unique('clients_client_id_key', ['client_id'])
export class ClientEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'clients_pkey' })
  id!: string;
  @Column('text')
  client_id!: string;
  @Column('text')
  name!: string;
  /** scrypt, with its parameters and salt in the text. */
  @Column('text')
  secret_hash!: string;
  @Column('text', { array: true })
  scopes!: string[];
  @Column('text', { default: 'default' })
  team!: string;
  /** The only endpoints that it may call; null when its scopes alone decide. */
  @Column('text', { array: true, nullable: true })
  endpoints!: string[] | null;
  @Column(nullableInstant)
  expires_at!: Date | null;
  @Column({ type: 'jsonb', default: [] })
  old_secrets!: OldSecret[];
  /** Tokens that were issued before mean nothing any more. A whole second, as tokens have. */
  @Column(nullableInstant)
  tokens_valid_from!: Date | null;
  @Column(nullableInstant)
  disabled_at!: Date | null;
  @Column(instant)
  secret_rotated_at!: Date;
  @Column(instant)
  created_at!: Date;
}

@Entity('signing_keys')
@Check('signing_keys_algorithm_check', `"algorithm" IN ('RS256', 'ES256')`)
export class SigningKeyEntity {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'signing_keys_pkey' })
  kid!: string;
  @Column('text')
  algorithm!: Jwk['alg'];
  @Column(json)
  public_jwk!: Jwk;
  /** PKCS #8 in PEM; encrypted when the registry has a master key. */
  @Column('text')
  private_pem!: string;
  @Column(instant)
  created_at!: Date;
  /** It is published before: everyone who verifies must know it by then. */
  @Column({ ...instant, default: () => 'now()' })
  signs_from!: Date;
  /** Signs nothing any more; still published until its last token has ended. */
  @Column(nullableInstant)
  retired_at!: Date | null;
}

/** Written in the transaction of the change itself, never changed after. UUIDv7 ids are in the order of time. */
@Entity('audit_entries')
@Index('audit_entries_actor_idx', ['actor', 'id'])
@Index('audit_entries_action_idx', ['action', 'id'])
@Index('audit_entries_subject_idx', ['subject', 'id'])
export class AuditEntryEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'audit_entries_pkey' })
  id!: string;
  @Column(instant)
  at!: Date;
  @Column('text')
  actor!: string;
  @Column('text')
  action!: string;
  @Column('text')
  subject!: string;
  @Column(nullableJson)
  before!: AuditEntry['before'];
  @Column(nullableJson)
  after!: AuditEntry['after'];
  @Column('text', { nullable: true })
  request_id!: string | null;
}
