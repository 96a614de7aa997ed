/** Verification of the registry's JWTs, the same for registry, gateway and node. Algorithms are bound to the key (RFC 8725 §3.1). */
import { TokenClaims } from '#contracts/clients';
import type { Jwks } from '#contracts/clients';
import { createLocalJWKSet, errors, jwtVerify } from 'jose';
import type { JSONWebKeySet } from 'jose';
import { SluiceError } from './errors.js';

export interface TokenRules {
  readonly issuer: string;
  readonly audience: string;
}

export interface VerifiedToken {
  readonly subject: string;
  readonly clientId: string | undefined;
  /** Of a client: the name of its team. */
  readonly team: string | undefined;
  /** Of a person: the session that the token belongs to. */
  readonly session: string | undefined;
  readonly scopes: readonly string[];
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Longer than any token that the registry issues; refused before any cryptography. */
const maxTokenChars = 8_192;

/** Returns a function that verifies a token. It throws SluiceError UNAUTHENTICATED with a reason that is safe to show. */
export function tokenVerifier(jwks: Jwks, rules: TokenRules): (token: string) => Promise<VerifiedToken> {
  const keys = createLocalJWKSet(jwks as JSONWebKeySet);
  return async (token) => {
    if (token.length > maxTokenChars) throw new SluiceError('UNAUTHENTICATED', 'The token is too long.');
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ['RS256', 'ES256'],
        issuer: rules.issuer,
        audience: rules.audience,
        requiredClaims: ['exp', 'sub'],
        clockTolerance: 5,
      });
      return toVerified(payload);
    } catch (cause) {
      throw new SluiceError('UNAUTHENTICATED', reasonOf(cause), { cause });
    }
  };
}

function toVerified(payload: unknown): VerifiedToken {
  const claims = TokenClaims.parse(payload);
  return {
    subject: claims.sub,
    clientId: claims.client_id,
    team: claims.team,
    session: claims.sid,
    scopes: claims.scope.split(' ').filter(Boolean),
    issuedAtMs: claims.iat * 1_000,
    expiresAtMs: claims.exp * 1_000,
    claims: payload as Record<string, unknown>,
  };
}

function reasonOf(cause: unknown): string {
  if (cause instanceof errors.JWTExpired) return 'The token has expired. Ask for a new one at /oauth/token.';
  if (cause instanceof errors.JWTClaimValidationFailed)
    return `The token's claim "${cause.claim}" is not right.`;
  if (cause instanceof errors.JWKSNoMatchingKey)
    return 'The token was not signed by a key of this installation.';
  return 'The token is not valid.';
}

/** The token of an Authorization header, or undefined when it is not a Bearer one (RFC 6750 §2.1). */
export function bearerToken(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^Bearer +([\w.~+/=-]+)$/i.exec(header)?.[1];
}
