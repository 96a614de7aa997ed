/** What gateways must know to find out who calls: outside issuers with their keys, and API tokens. */
import type { SnapshotIssuer } from '#contracts/issuers';
import { scopesOfAll } from '#contracts/roles';
import type { RoleGrant } from '#contracts/roles';
import type { SnapshotApiToken } from '#contracts/snapshot';
import type { EntityManager } from 'typeorm';
import { effectiveScopes } from '../auth/api-token-login.js';
import { teamOfRoles } from '../auth/token-issuer.service.js';

export const readIssuers = (manager: EntityManager): Promise<SnapshotIssuer[]> =>
  manager.query<SnapshotIssuer[]>(
    'SELECT name, issuer, audiences, algorithms, mapping, jwks FROM issuers WHERE disabled_at IS NULL ORDER BY name',
  );

interface TokenRow {
  readonly id: string;
  readonly hash: string;
  readonly scopes: string[];
  readonly expires_at: Date | null;
  readonly client_id: string | null;
  readonly team: string | null;
  readonly client_scopes: string[] | null;
  readonly login: string | null;
  readonly roles: RoleGrant[] | null;
}

export async function readApiTokens(manager: EntityManager): Promise<SnapshotApiToken[]> {
  const rows = await manager.query<TokenRow[]>(
    `SELECT t.id, t.hash, t.scopes, t.expires_at, t.client_id, c.team, c.scopes AS client_scopes, p.login, p.roles
     FROM api_tokens t LEFT JOIN clients c ON c.client_id = t.client_id LEFT JOIN people p ON p.id = t.person_id
     WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) ORDER BY t.id`,
  );
  return rows.map(toSnapshot);
}

const toSnapshot = (row: TokenRow): SnapshotApiToken => ({
  id: row.id,
  hash: row.hash,
  subject: row.client_id === null ? `person:${row.login ?? ''}` : `client:${row.client_id}`,
  client_id: row.client_id,
  team: row.team ?? teamOfRoles(row.roles ?? []),
  scopes: effectiveScopes(row.scopes, row.client_scopes ?? scopesOfAll(row.roles ?? [])),
  expires_at: row.expires_at?.toISOString() ?? null,
});
