import type { Issuer } from '#contracts/issuers';
import type { IssuerEntity } from '#database/entities/issuer.entity';

export const toIssuer = (row: IssuerEntity): Issuer => ({
  name: row.name,
  issuer: row.issuer,
  audiences: row.audiences,
  algorithms: row.algorithms,
  mapping: row.mapping,
  jwks_url: row.jwks_url,
  key_ids: row.jwks.keys.map(({ kid }) => kid ?? ''),
  keys_fetched_at: row.keys_fetched_at?.toISOString() ?? null,
  keys_error: row.keys_error,
  disabled_at: row.disabled_at?.toISOString() ?? null,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
});
