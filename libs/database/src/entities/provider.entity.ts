import type { RoleMapping } from '#contracts/providers';
import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { instant, nullableInstant, nullableJson } from '../columns.js';

/** An OpenID Connect provider that vouches for people. */
@Entity('sign_in_providers')
export class SignInProviderEntity {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'sign_in_providers_pkey' })
  name!: string;
  @Column('text')
  issuer!: string;
  @Column('text')
  client_id!: string;
  /** Encrypted when the registry has a master key; null: a public client. */
  @Column('text', { nullable: true })
  client_secret!: string | null;
  @Column('text', { array: true })
  scopes!: string[];
  @Column('text')
  login_claim!: string;
  @Column(nullableJson)
  roles!: RoleMapping;
  @Column(nullableInstant)
  disabled_at!: Date | null;
  @Column(instant)
  created_at!: Date;
  @Column(instant)
  updated_at!: Date;
}

/** Someone is at a provider to sign in. Read once, by the browser that was sent there. */
@Entity('sign_in_flows')
@Index('sign_in_flows_expires_idx', ['expires_at'])
export class SignInFlowEntity {
  /** SHA-256 of the `state`. */
  @PrimaryColumn('text', { primaryKeyConstraintName: 'sign_in_flows_pkey' })
  state_hash!: string;
  /** SHA-256 of the cookie of the browser. */
  @Column('text')
  browser_hash!: string;
  @Column('text')
  provider!: string;
  @Column('text')
  nonce!: string;
  /** RFC 7636 */
  @Column('text')
  code_verifier!: string;
  @Column(instant)
  expires_at!: Date;
}
