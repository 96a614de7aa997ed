/**
 * Verification of JWTs, the same for registry, gateway and node: those of the registry, and those of outside issuers that it
 * trusts. The issuer that a token names decides by which keys, algorithms (RFC 8725 §3.1) and audience it is measured.
 */
import { TokenClaims } from '#contracts/clients';
import type { Jwks } from '#contracts/clients';
import type { SnapshotIssuer } from '#contracts/issuers';
import { createLocalJWKSet, errors, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWTPayload } from 'jose';
import { mapClaims } from './claim-mapping.js';
import { parseCompactJws } from './compact-jws.js';
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
  /** The name of the outside issuer; undefined for the registry's own tokens. */
  readonly outside: string | undefined;
  readonly scopes: readonly string[];
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly claims: Readonly<Record<string, unknown>>;
}

export type VerifyToken = (token: string) => Promise<VerifiedToken>;

/** Signed by a key that is not known of its issuer: it may be a new one. */
export class UnknownKeyError extends SluiceError {
  /** @param outside name of the outside issuer; undefined for the registry */
  constructor(
    readonly outside: string | undefined,
    cause: unknown,
  ) {
    super('UNAUTHENTICATED', 'The token was not signed by a key that is known of its issuer.', { cause });
  }
}

interface TrustedIssuer {
  readonly outside: string | undefined;
  readonly keys: ReturnType<typeof createLocalJWKSet>;
  readonly audience: string | string[];
  readonly algorithms: string[];
  readonly read: (payload: JWTPayload) => VerifiedToken;
}

/** Returns a function that verifies a token. It throws SluiceError UNAUTHENTICATED with a reason that is safe to show. */
export function tokenVerifier(
  jwks: Jwks,
  rules: TokenRules,
  outside: readonly SnapshotIssuer[] = [],
): VerifyToken {
  // Ours is last: nobody can take its place.
  const issuers = new Map([
    ...outside.map((issuer) => [issuer.issuer, outsideIssuer(issuer)] as const),
    [rules.issuer, ownIssuer(jwks, rules)] as const,
  ]);
  return async (token) => {
    const issuer = issuers.get(issuerOf(token));
    if (!issuer) throw new SluiceError('UNAUTHENTICATED', unknownIssuer, { cause: 'unknown issuer' });
    try {
      const { payload } = await jwtVerify(token, issuer.keys, {
        algorithms: issuer.algorithms,
        audience: issuer.audience,
        requiredClaims: ['exp', 'iss', 'aud'],
        clockTolerance: 5,
      });
      return issuer.read(payload);
    } catch (cause) {
      if (cause instanceof errors.JWKSNoMatchingKey) throw new UnknownKeyError(issuer.outside, cause);
      throw new SluiceError('UNAUTHENTICATED', reasonOf(cause), { cause });
    }
  };
}

const unknownIssuer = 'The token’s issuer is not trusted here.';

function issuerOf(token: string): string {
  try {
    const { iss } = parseCompactJws(token).claims;
    return typeof iss === 'string' ? iss : '';
  } catch (cause) {
    throw new SluiceError('UNAUTHENTICATED', 'The token is not valid.', { cause });
  }
}

const ownIssuer = (jwks: Jwks, { audience }: TokenRules): TrustedIssuer => ({
  outside: undefined,
  keys: createLocalJWKSet(jwks as JSONWebKeySet),
  audience,
  algorithms: ['RS256', 'ES256'],
  read(payload) {
    const claims = TokenClaims.parse(payload);
    return {
      subject: claims.sub,
      clientId: claims.client_id,
      team: claims.team,
      session: claims.sid,
      outside: undefined,
      scopes: claims.scope.split(' ').filter(Boolean),
      issuedAtMs: claims.iat * 1_000,
      expiresAtMs: claims.exp * 1_000,
      claims: payload,
    };
  },
});

const outsideIssuer = ({ name, jwks, audiences, algorithms, mapping }: SnapshotIssuer): TrustedIssuer => ({
  outside: name,
  keys: createLocalJWKSet(jwks as JSONWebKeySet),
  audience: audiences,
  algorithms,
  read(payload) {
    const { clientId, team, scopes } = mapClaims(mapping, name, payload);
    return {
      subject: `client:${clientId}`,
      clientId,
      team,
      session: undefined,
      outside: name,
      scopes,
      // A token that does not say when it was issued counts as older than any revocation.
      issuedAtMs: (payload.iat ?? 0) * 1_000,
      expiresAtMs: (payload.exp ?? 0) * 1_000,
      claims: payload,
    };
  },
});

function reasonOf(cause: unknown): string {
  if (cause instanceof errors.JWTExpired) return 'The token has expired. Get a new one from its issuer.';
  if (cause instanceof errors.JWTClaimValidationFailed)
    return `The token's claim "${cause.claim}" is not right.`;
  return 'The token is not valid.';
}

/** The token of an Authorization header, or undefined when it is not a Bearer one (RFC 6750 §2.1). */
export function bearerToken(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^Bearer +([\w.~+/=-]+)$/i.exec(header)?.[1];
}
