/** API tokens at the gateway: known by their SHA-256 from the snapshot, so the registry is asked nothing. What is not in it is refused. */
import { createHash } from 'node:crypto';
import { apiTokenPrefix } from '#contracts/api-tokens';
import type { SnapshotApiToken } from '#contracts/snapshot';
import { bearerToken } from '#platform/tokens';
import type { Identity } from './authenticate.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';

const unknown = refusal('UNAUTHENTICATED', 'The API token is not known, or it is revoked or over.', [
  'www-authenticate',
  'Bearer realm="sluice", error="invalid_token"',
]);

interface Known {
  readonly id: string;
  readonly identity: Identity;
}

/** Immutable; each snapshot makes a new one. */
export class ApiTokens {
  private readonly known: ReadonlyMap<string, Known>;

  /** @param used gets the id of each token that is used */
  constructor(
    rows: readonly SnapshotApiToken[],
    private readonly used: Set<string>,
  ) {
    this.known = new Map(rows.map((row) => [row.hash, { id: row.id, identity: identityOf(row) }]));
  }

  /** undefined: it is no API token. `authorization` is the raw header. */
  find(authorization: string | undefined, nowMs: number): Identity | Refusal | undefined {
    // After "Bearer ", which is all that most requests are looked at for.
    if (authorization?.startsWith(apiTokenPrefix, 7) !== true) return undefined;
    const token = bearerToken(authorization);
    const found = token && this.known.get(createHash('sha256').update(token).digest('hex'));
    if (!found || nowMs >= found.identity.expiresAtMs) return unknown;
    this.used.add(found.id);
    return found.identity;
  }
}

const identityOf = (row: SnapshotApiToken): Identity => ({
  subject: row.subject,
  client: row.client_id ?? row.subject,
  clientId: row.client_id ?? undefined,
  team: row.team,
  session: undefined,
  outside: undefined,
  scopes: row.scopes,
  // It is revoked by itself, not by the time at which it was made.
  issuedAtMs: Infinity,
  expiresAtMs: row.expires_at === null ? Infinity : Date.parse(row.expires_at),
  claims: {
    sub: row.subject,
    team: row.team,
    ...(row.client_id === null ? {} : { client_id: row.client_id }),
  },
});
