/**
 * Whose tokens are good at this registry: its own and those of outside issuers, by the same verifier as at the gateways. What is
 * held in memory is dropped whenever the routing table changes, because keys and issuers are a part of that.
 */
import { IssuerEntity } from '#database/entities/issuer.entity';
import { SharedReads } from '#platform/shared-reads';
import { UnknownKeyError, tokenVerifier } from '#platform/tokens';
import type { VerifiedToken, VerifyToken } from '#platform/tokens';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import { DataSource, IsNull } from 'typeorm';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { Notifications } from '../notify/notifications.js';
import { IssuerKeys } from './issuer-keys.js';
import { SigningKeys } from './signing-keys.service.js';

interface Loaded {
  readonly verify: VerifyToken;
  readonly atMs: number;
}

/** A made-up key id must not become a way to flood the database. */
const reloadAfterMs = 5_000;

@Injectable()
export class Trust implements OnModuleInit, OnModuleDestroy {
  /** A trainer's calls come with one token, many at a time. */
  readonly #verifications = new SharedReads((token) => this.verifyOne(token));
  private loaded: Promise<Loaded> | undefined;
  private readonly forget = (): void => {
    this.loaded = undefined;
  };

  constructor(
    private readonly dataSource: DataSource,
    private readonly keys: SigningKeys,
    private readonly issuerKeys: IssuerKeys,
    private readonly notifications: Notifications,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  onModuleInit(): void {
    this.notifications.on('routing', this.forget);
    this.notifications.on('resync', this.forget);
  }

  onModuleDestroy(): void {
    this.notifications.off('routing', this.forget);
    this.notifications.off('resync', this.forget);
  }

  /** @throws SluiceError UNAUTHENTICATED */
  verify(token: string): Promise<VerifiedToken> {
    return this.#verifications.get(token);
  }

  private async verifyOne(token: string): Promise<VerifiedToken> {
    const { verify, atMs } = await this.current();
    try {
      return await verify(token);
    } catch (error) {
      if (!(error instanceof UnknownKeyError)) throw error;
      if (error.outside !== undefined) await this.issuerKeys.unknownKey(error.outside);
      else if (Date.now() - atMs < reloadAfterMs) throw error;
      this.forget();
      return (await this.current()).verify(token);
    }
  }

  /** Concurrent calls share one reading; one that failed is not kept. */
  private current(): Promise<Loaded> {
    if (this.loaded) return this.loaded;
    const loading = this.load();
    this.loaded = loading;
    loading.catch(() => {
      if (this.loaded === loading) this.loaded = undefined;
    });
    return loading;
  }

  private async load(): Promise<Loaded> {
    const atMs = Date.now();
    const issuers = await this.dataSource.getRepository(IssuerEntity).findBy({ disabled_at: IsNull() });
    const rules = { issuer: this.config.SLUICE_ISSUER, audience: this.config.SLUICE_AUDIENCE };
    return { verify: tokenVerifier(await this.keys.jwks(), rules, issuers), atMs };
  }
}
