/** Whether the caller may do this: not disabled or expired, and with a scope for the endpoint. Asked before the endpoint is looked up, so that names do not leak. */
import { allowsInference } from '#contracts/scopes';
import type { SnapshotClientLimit } from '#contracts/snapshot';
import type { Identity } from './authenticate.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';

/** What narrows a client beyond the scopes of its token. */
export interface ClientLimit {
  /** undefined: any endpoint that the scopes allow. */
  readonly endpoints: ReadonlySet<string> | undefined;
  /** Infinity: never. */
  readonly expiresAtMs: number;
  /** Tokens that were issued before are revoked. */
  readonly tokensValidFromMs: number;
}

/** Looked up at every request, so that a change is in force with the table that brings it. */
export interface ClientRules {
  readonly disabledClients: ReadonlySet<string>;
  readonly clientLimits: ReadonlyMap<string, ClientLimit>;
  readonly revokedSessions: ReadonlySet<string>;
}

export const compileClientLimits = (rows: readonly SnapshotClientLimit[]): Map<string, ClientLimit> =>
  new Map(
    rows.map(({ client_id, endpoints, expires_at, tokens_valid_from }) => [
      client_id,
      {
        endpoints: endpoints === null ? undefined : new Set(endpoints),
        expiresAtMs: expires_at === null ? Infinity : Date.parse(expires_at),
        tokensValidFromMs: tokens_valid_from === null ? 0 : Date.parse(tokens_valid_from),
      },
    ]),
  );

const revoked = refusal('UNAUTHENTICATED', 'The token was revoked. Ask for a new one at /oauth/token.', [
  'www-authenticate',
  'Bearer realm="sluice", error="invalid_token"',
]);

const disabled = ({ clientId }: Identity): Refusal =>
  clientId === undefined
    ? refusal('PERSON_DISABLED', 'You are disabled here. Ask an administrator to enable you.')
    : refusal('CLIENT_DISABLED', 'This client is disabled. Ask an administrator to enable it.');

/** @param endpoint undefined: any valid token will do */
export function authorize(
  identity: Identity,
  endpoint: string | undefined,
  { disabledClients, clientLimits, revokedSessions }: ClientRules,
  nowMs: number,
): Refusal | undefined {
  if (disabledClients.has(identity.client)) return disabled(identity);
  if (identity.session !== undefined && revokedSessions.has(identity.session)) return revoked;
  const limit = clientLimits.get(identity.client);
  if (limit && nowMs >= limit.expiresAtMs)
    return refusal('CLIENT_DISABLED', 'This client has expired. Ask an administrator to renew it.');
  if (limit && identity.issuedAtMs < limit.tokensValidFromMs) return revoked;
  if (endpoint === undefined) return undefined;
  if (limit?.endpoints && !limit.endpoints.has(endpoint))
    return refusal('FORBIDDEN', 'This endpoint is not on the list of endpoints that the client may call.');
  if (allowsInference(identity.scopes, endpoint)) return undefined;
  return refusal(
    'FORBIDDEN',
    `The token has no scope for this endpoint. It needs "infer" or "infer:${endpoint}".`,
    ['www-authenticate', 'Bearer realm="sluice", error="insufficient_scope"'],
  );
}
