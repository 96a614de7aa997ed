/**
 * The keys of outside issuers. A registry reads them and puts them into the snapshot, so that gateways need no way out; they are
 * read again every few minutes, and when a token names an unknown one. Whatever fails, the keys that are known stay.
 */
import type { OutsideJwks } from '#contracts/issuers';
import { IssuerEntity } from '#database/entities/issuer.entity';
import { Transactions } from '#database/transactions';
import { messageOf } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { isDeepStrictEqual } from 'node:util';
import { request } from 'undici';
import { z } from 'zod';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { outboundAgent, requirePublicHost } from '../http/outbound.js';
import { usableKeys } from './usable-keys.js';

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });

const actor = { subject: 'system', requestId: undefined };
const lookEveryMs = 30_000;
/** A flood of tokens with made-up key ids must not become a flood of requests to their issuer. */
const unknownKeyEveryS = 10;

@Injectable()
export class IssuerKeys implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private readonly agent;

  constructor(
    private readonly transactions: Transactions,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.agent = outboundAgent(config.SLUICE_ISSUER_PRIVATE_ADDRESSES);
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.looking ??= this.look().finally(() => (this.looking = undefined));
    }, lookEveryMs).unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
    await this.agent.close();
  }

  /** A token names a key that is not known: reads them again, unless some registry just did. */
  async unknownKey(name: string): Promise<void> {
    await this.refresh(name, unknownKeyEveryS);
  }

  /**
   * Reads the keys of an issuer, unless some registry set out to within the last `notWithinS` seconds. What fails is written
   * down at the issuer, and not thrown.
   */
  async refresh(name: string, notWithinS: number): Promise<void> {
    const [row] = await this.transactions.dataSource.query<
      [Pick<IssuerEntity, 'issuer' | 'jwks_url'>[], number]
    >(
      `UPDATE issuers SET keys_tried_at = clock_timestamp()
       WHERE name = $1 AND disabled_at IS NULL
         AND (keys_tried_at IS NULL OR keys_tried_at <= clock_timestamp() - $2 * interval '1 second')
       RETURNING issuer, jwks_url`,
      [name, notWithinS],
    );
    const claimed = row[0];
    if (!claimed) return;
    try {
      await this.store(name, await this.fetch(claimed.issuer, claimed.jwks_url));
    } catch (error) {
      this.logger.warn(
        { issuer: name, reason: messageOf(error) },
        'the keys of an issuer could not be read; the known ones stay',
      );
      await this.transactions.dataSource.manager.update(
        IssuerEntity,
        { name },
        { keys_error: messageOf(error).slice(0, 500) },
      );
    }
  }

  private async look(): Promise<void> {
    try {
      const rows = await this.transactions.dataSource.manager.findBy(IssuerEntity, {});
      for (const { name } of rows) await this.refresh(name, this.config.SLUICE_ISSUER_KEYS_EVERY_S);
    } catch (error) {
      this.logger.warn({ reason: messageOf(error) }, 'the issuers could not be looked through');
    }
  }

  private async store(name: string, jwks: OutsideJwks): Promise<void> {
    if (jwks.keys.length === 0) throw new Error('it publishes no key that can be used here');
    await this.transactions.write(actor, async (tx) => {
      const row = await tx.manager.findOne(IssuerEntity, {
        where: { name },
        lock: { mode: 'pessimistic_write' },
      });
      if (!row) return;
      const isNew = !isDeepStrictEqual(row.jwks, jwks);
      await tx.manager.save(Object.assign(row, { jwks, keys_fetched_at: new Date(), keys_error: null }));
      if (!isNew) return;
      const data = { key_ids: jwks.keys.map(({ kid }) => kid ?? '') };
      await tx.event({ type: 'issuer.keys_changed', subject: `issuers/${name}`, data });
      tx.routingChanged();
    });
  }

  private async fetch(issuer: string, jwksUrl: string | null): Promise<OutsideJwks> {
    return usableKeys(await this.read(jwksUrl ?? (await this.discover(issuer))));
  }

  /** OpenID Connect Discovery §4: the document must be of the very issuer that was asked. */
  private async discover(issuer: string): Promise<string> {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const found = Discovery.parse(await this.read(url));
    if (found.issuer !== issuer) throw new Error(`the document at ${url} is of the issuer ${found.issuer}`);
    return found.jwks_uri;
  }

  /** Redirects are not followed: they would lead around the check of the address. */
  private async read(url: string): Promise<unknown> {
    if (!this.config.SLUICE_ISSUER_PRIVATE_ADDRESSES) {
      if (!url.startsWith('https:')) throw new Error(`${url} is not https`);
      requirePublicHost(url);
    }
    const { statusCode, body } = await request(url, {
      dispatcher: this.agent,
      signal: AbortSignal.timeout(10_000),
      headers: { accept: 'application/json' },
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`);
    return JSON.parse(text);
  }
}
