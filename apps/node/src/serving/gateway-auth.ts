/**
 * Lets only gateways in: verifies their JWT against the registry's public keys. A verified token is remembered until it
 * expires, so that the warm path is one map lookup. Known keys stay good while the registry is away.
 */
import { errors } from 'jose';
import type { Jwks } from '#contracts/clients';
import { allows } from '#contracts/scopes';
import { SluiceError, messageOf } from '#platform/errors';
import { bearerToken, tokenVerifier } from '#platform/tokens';
import type { TokenRules, VerifiedToken } from '#platform/tokens';

export interface GatewayAuthOptions {
  /** Issuer and audience of the installation; undefined until the node has registered. */
  readonly rules: () => TokenRules | undefined;
  readonly fetchJwks: () => Promise<Jwks>;
  readonly nowMs: () => number;
}

/** A token signed by an unknown key makes us look for new keys, at most this often. */
const refetchEveryMs = 5_000;
const maxRemembered = 1_000;

export class GatewayAuth {
  private readonly remembered = new Map<string, number>();
  private jwks: Jwks | undefined;
  private fetching: Promise<void> | undefined;
  private fetchedAtMs = -Infinity;

  constructor(private readonly options: GatewayAuthOptions) {}

  /** Whether this Authorization header has been verified before and still holds. */
  isRemembered(header: string | undefined): boolean {
    const expiresAtMs = header === undefined ? undefined : this.remembered.get(header);
    return expiresAtMs !== undefined && expiresAtMs > this.options.nowMs();
  }

  /** Fetches the keys before the first caller needs them: the registry may be gone by then. @throws SluiceError NOT_READY */
  async prepare(): Promise<void> {
    if (!this.jwks) await this.refetch();
  }

  /** @throws SluiceError UNAUTHENTICATED, FORBIDDEN or NOT_READY */
  async check(header: string | undefined): Promise<void> {
    const token = bearerToken(header);
    if (header === undefined || token === undefined)
      throw new SluiceError('UNAUTHENTICATED', 'Send Authorization: Bearer with a gateway credential.');
    const verified = await this.verify(token);
    if (!allows(verified.scopes, 'gateway'))
      throw new SluiceError('FORBIDDEN', 'Only gateways may call a node. Send the request to a gateway.');
    if (this.remembered.size >= maxRemembered) this.remembered.clear();
    this.remembered.set(header, verified.expiresAtMs);
  }

  private async verify(token: string): Promise<VerifiedToken> {
    const rules = this.options.rules();
    if (!rules) throw new SluiceError('NOT_READY', 'The node has not registered yet. Try again later.');
    if (!this.jwks) await this.refetch();
    try {
      return await this.verifyWith(rules, token);
    } catch (error) {
      const isUnknownKey = error instanceof SluiceError && error.cause instanceof errors.JWKSNoMatchingKey;
      if (!isUnknownKey || this.options.nowMs() - this.fetchedAtMs < refetchEveryMs) throw error;
      await this.refetch();
      return await this.verifyWith(rules, token);
    }
  }

  private verifyWith(rules: TokenRules, token: string): Promise<VerifiedToken> {
    if (!this.jwks)
      throw new SluiceError('NOT_READY', 'The node has not got the registry’s keys yet. Try again later.');
    return tokenVerifier(this.jwks, rules)(token);
  }

  /** Concurrent callers share one fetch. When it fails the keys that we have stay. */
  private refetch(): Promise<void> {
    this.fetching ??= this.fetch().finally(() => (this.fetching = undefined));
    return this.fetching;
  }

  private async fetch(): Promise<void> {
    if (this.options.nowMs() - this.fetchedAtMs < (this.jwks ? refetchEveryMs : 0)) return;
    this.fetchedAtMs = this.options.nowMs();
    try {
      this.jwks = await this.options.fetchJwks();
    } catch (cause) {
      if (!this.jwks)
        throw new SluiceError('NOT_READY', `The registry’s keys cannot be fetched: ${messageOf(cause)}`, {
          cause,
        });
    }
  }
}
