/** People, their sessions, and how often someone tried to sign in. */
import type { RoleGrant } from '#contracts/roles';
import { Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { instant, json, nullableInstant } from '../columns.js';

@Entity('people')
@Unique('people_login_key', ['login'])
@Unique('people_provider_key', ['provider', 'provider_subject'])
export class PersonEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'people_pkey' })
  id!: string;
  @Column('text')
  login!: string;
  @Column('text')
  name!: string;
  /** argon2id, with its parameters and salt in the text; null: signs in by a provider only. */
  @Column('text', { nullable: true })
  password_hash!: string | null;
  @Column(json)
  roles!: RoleGrant[];
  /** Who vouches for the person, and by what name. */
  @Column('text', { nullable: true })
  provider!: string | null;
  @Column('text', { nullable: true })
  provider_subject!: string | null;
  /** Access tokens that were issued before mean nothing any more. A whole second, as tokens have. */
  @Column(nullableInstant)
  tokens_valid_from!: Date | null;
  @Column(nullableInstant)
  disabled_at!: Date | null;
  @Column(nullableInstant)
  last_sign_in_at!: Date | null;
  @Column(instant)
  created_at!: Date;
  @Column(instant)
  updated_at!: Date;
}

@Entity('sessions')
@Index('sessions_person_idx', ['person_id'])
@Index('sessions_ended_idx', ['ended_at'])
@ForeignKey(() => PersonEntity, ['person_id'], ['id'], { name: 'sessions_person_fkey', onDelete: 'CASCADE' })
export class SessionEntity {
  /** `sid` of its access tokens. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'sessions_pkey' })
  id!: string;
  @Column('uuid')
  person_id!: string;
  @Column(instant)
  created_at!: Date;
  @Column(instant)
  expires_at!: Date;
  @Column(nullableInstant)
  ended_at!: Date | null;
}

@Entity('refresh_tokens')
@Index('refresh_tokens_session_idx', ['session_id'])
@ForeignKey(() => SessionEntity, ['session_id'], ['id'], {
  name: 'refresh_tokens_session_fkey',
  onDelete: 'CASCADE',
})
export class RefreshTokenEntity {
  /** SHA-256 in hex: the token is 256 random bits and needs no slow hash. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'refresh_tokens_pkey' })
  hash!: string;
  @Column('uuid')
  session_id!: string;
  @Column(instant)
  created_at!: Date;
  /** A second use is theft by someone: it ends the session. */
  @Column(nullableInstant)
  used_at!: Date | null;
}

/** A bucket of attempts to sign in; an absent one is full. */
@Entity('sign_in_attempts')
@Index('sign_in_attempts_at_idx', ['at'])
export class SignInAttemptsEntity {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'sign_in_attempts_pkey' })
  key!: string;
  @Column('float8')
  remaining!: number;
  @Column(instant)
  at!: Date;
}
