import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { instant, nullableInstant } from '../columns.js';
import { ClientEntity } from './client.entity.js';
import { PersonEntity } from './person.entity.js';

/** A long-lived token of a client or a person. */
@Entity('api_tokens')
@Unique('api_tokens_hash_key', ['hash'])
@Check('api_tokens_holder_check', `("client_id" IS NULL) <> ("person_id" IS NULL)`)
@Index('api_tokens_client_idx', ['client_id'])
@Index('api_tokens_person_idx', ['person_id'])
@ForeignKey(() => ClientEntity, ['client_id'], ['client_id'], {
  name: 'api_tokens_client_fkey',
  onDelete: 'CASCADE',
})
@ForeignKey(() => PersonEntity, ['person_id'], ['id'], {
  name: 'api_tokens_person_fkey',
  onDelete: 'CASCADE',
})
export class ApiTokenEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'api_tokens_pkey' })
  id!: string;
  /** SHA-256 in hex: the token is 256 random bits and needs no slow hash. */
  @Column('text')
  hash!: string;
  @Column('text')
  name!: string;
  @Column('text', { nullable: true })
  client_id!: string | null;
  @Column('uuid', { nullable: true })
  person_id!: string | null;
  @Column('text', { array: true })
  scopes!: string[];
  @Column('text')
  created_by!: string;
  @Column(instant)
  created_at!: Date;
  @Column(nullableInstant)
  expires_at!: Date | null;
  @Column(nullableInstant)
  last_used_at!: Date | null;
  @Column(nullableInstant)
  revoked_at!: Date | null;
}
