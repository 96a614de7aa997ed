/**
 * Who calls. A token is verified once, then served from a bounded cache that checks its expiry on each hit. Whether the client
 * was disabled is not cached: it is looked up in the table of the moment.
 */
import { SluiceError } from '#platform/errors';
import { UnknownKeyError, bearerToken, tokenVerifier } from '#platform/tokens';
import type { VerifiedToken, VerifyToken } from '#platform/tokens';
import type { Snapshot } from '#contracts/snapshot';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';

export interface Identity extends VerifiedToken {
  /** Under which quotas count and clients are disabled: the client_id, or the subject of a token that has none. */
  readonly client: string;
}

export type KeySet = Pick<Snapshot, 'issuer' | 'audience' | 'jwks' | 'issuers'>;

/** The verifier's tolerance for clocks that differ. */
const clockToleranceMs = 5_000;

const challenge = (error?: string): string[] => [
  'www-authenticate',
  error === undefined ? 'Bearer realm="sluice"' : `Bearer realm="sluice", error="${error}"`,
];

const noToken = refusal(
  'UNAUTHENTICATED',
  'A token is needed: send "Authorization: Bearer <token>" with a token from /oauth/token.',
  challenge(),
);

/** Verifies tokens against one key set. A new key set gets a new authenticator, so nothing outlives its key. */
export class Authenticator {
  private recent = new Map<string, Identity>();
  private older = new Map<string, Identity>();
  private readonly pending = new Map<string, Promise<Identity | Refusal>>();
  private readonly verify: VerifyToken;

  constructor(
    readonly keySet: KeySet,
    private readonly maxEntries: number,
    private readonly onUnknownKey: (issuer: string) => void,
  ) {
    this.verify = tokenVerifier(keySet.jwks, keySet, keySet.issuers);
  }

  /** Answers at once for a token that it knows, else a promise. `authorization` is the raw header. */
  authenticate(
    authorization: string | undefined,
    nowMs: number,
  ): Identity | Refusal | Promise<Identity | Refusal> {
    if (authorization === undefined) return noToken;
    const known = this.recent.get(authorization) ?? this.promote(authorization);
    if (known && nowMs < known.expiresAtMs + clockToleranceMs) return known;
    const token = bearerToken(authorization);
    if (token === undefined) return noToken;
    let pending = this.pending.get(authorization);
    if (!pending) {
      pending = this.check(authorization, token).finally(() => this.pending.delete(authorization));
      this.pending.set(authorization, pending);
    }
    return pending;
  }

  private async check(authorization: string, token: string): Promise<Identity | Refusal> {
    try {
      const verified = await this.verify(token);
      const identity = { ...verified, client: verified.clientId ?? verified.subject };
      this.remember(authorization, identity);
      return identity;
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      if (error instanceof UnknownKeyError && error.outside !== undefined) this.onUnknownKey(error.outside);
      return refusal(error.code, error.detail, challenge('invalid_token'));
    }
  }

  /** Two generations make a cheap LRU: what is not asked for during a whole generation is forgotten. */
  private remember(authorization: string, identity: Identity): void {
    if (this.recent.size >= this.maxEntries / 2) {
      this.older = this.recent;
      this.recent = new Map();
    }
    this.recent.set(authorization, identity);
  }

  private promote(authorization: string): Identity | undefined {
    const identity = this.older.get(authorization);
    if (identity) {
      this.older.delete(authorization);
      this.remember(authorization, identity);
    }
    return identity;
  }
}

/** Whether the authenticator of the last table serves this key set too. */
export const sameKeySet = (a: KeySet, b: KeySet): boolean =>
  JSON.stringify([a.issuer, a.audience, a.jwks, a.issuers]) ===
  JSON.stringify([b.issuer, b.audience, b.jwks, b.issuers]);
