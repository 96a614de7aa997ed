import type { ClaimMapping, OutsideJwks, SnapshotIssuer } from '#contracts/issuers';
import { Column, Entity, PrimaryColumn, Unique } from 'typeorm';
import { instant, json, nullableInstant } from '../columns.js';

/** Someone else whose tokens are good here, with the keys as they were last read. */
@Entity('issuers')
@Unique('issuers_issuer_key', ['issuer'])
export class IssuerEntity {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'issuers_pkey' })
  name!: string;
  @Column('text')
  issuer!: string;
  @Column('text', { nullable: true })
  jwks_url!: string | null;
  @Column('text', { array: true })
  audiences!: string[];
  @Column('text', { array: true })
  algorithms!: SnapshotIssuer['algorithms'];
  @Column(json)
  mapping!: ClaimMapping;
  @Column(json)
  jwks!: OutsideJwks;
  @Column(nullableInstant)
  keys_fetched_at!: Date | null;
  /** When a registry last set out to read them. */
  @Column(nullableInstant)
  keys_tried_at!: Date | null;
  @Column('text', { nullable: true })
  keys_error!: string | null;
  @Column(nullableInstant)
  disabled_at!: Date | null;
  @Column(instant)
  created_at!: Date;
  @Column(instant)
  updated_at!: Date;
}
