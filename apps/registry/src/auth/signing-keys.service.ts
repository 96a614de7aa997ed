/**
 * The keys that sign tokens. The first registry to start makes one; all registries read them from the database and hold
 * them in memory. A private key never leaves this class except as a KeyObject for signing.
 */
import type { Jwk, Jwks, SigningKey as PublicSigningKey } from '#contracts/clients';
import { SigningKeyEntity } from '#database/entities/client.entity';
import { Transactions } from '#database/transactions';
import type { Actor, WriteContext } from '#database/transactions';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { createPrivateKey, generateKeyPair } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { CONFIG, LOGGER } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { fromStored, isSealed, seal } from './key-seal.js';
import { keyState, publishedBeforeMs } from './key-times.js';

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: Jwk['alg'];
  readonly privateKey: KeyObject;
}

interface LoadedKeys {
  /** By the time from which they sign, newest first. */
  readonly signing: readonly (SigningKey & { readonly fromMs: number })[];
  readonly jwks: Jwks;
  readonly loadedAtMs: number;
}

/** Advisory lock under which a key is made, so that registries that start together make one. */
const creationLock = 7_201_001;
/** Another registry may have made a key since; asking more often than this is pointless, and a way to flood the database. */
const reloadAfterMs = 5_000;

@Injectable()
export class SigningKeys implements OnModuleInit {
  private loaded: LoadedKeys | undefined;
  private loading: Promise<LoadedKeys> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
    @Inject(CONFIG) private readonly config: RegistryConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    if (this.config.SLUICE_MASTER_KEY === undefined)
      this.logger.warn('SLUICE_MASTER_KEY is not set: the signing keys are stored as they are');
    await this.dataSource.transaction((manager) => this.ensureKey(manager));
    await this.load();
  }

  /** The newest that signs by now. */
  async signingKey(): Promise<SigningKey> {
    const { signing } = await this.recent();
    const key = signing.find(({ fromMs }) => fromMs <= Date.now());
    if (!key) throw new Error('There is no signing key in the database. Restart the registry: it makes one.');
    return key;
  }

  /** All that are published, newest first. */
  async list(): Promise<PublicSigningKey[]> {
    const rows = await this.dataSource
      .getRepository(SigningKeyEntity)
      .find({ order: { created_at: 'DESC' } });
    return rows.flatMap((row) => toPublic(row, this.config.SLUICE_TOKEN_TTL_S));
  }

  /** Publishes a new key, which signs when everyone must know it; from then on the others only verify. */
  rotate(actor: Actor): Promise<PublicSigningKey> {
    return this.transactions.write(actor, async (tx) => {
      await tx.manager.query('SELECT pg_advisory_xact_lock($1)', [creationLock]);
      return this.replaceKeys(tx);
    });
  }

  /** Rotates unless a key is younger than this. */
  rotateOlderThan(ageMs: number, actor: Actor): Promise<PublicSigningKey | undefined> {
    return this.transactions.write(actor, async (tx) => {
      await tx.manager.query('SELECT pg_advisory_xact_lock($1)', [creationLock]);
      const young = await tx.manager.query<unknown[]>(
        `SELECT 1 FROM signing_keys WHERE created_at > now() - $1 * interval '1 millisecond'`,
        [ageMs],
      );
      return young.length > 0 ? undefined : this.replaceKeys(tx);
    });
  }

  private async replaceKeys(tx: WriteContext): Promise<PublicSigningKey> {
    const key = await makeKey(this.config.SLUICE_SIGNING_ALGORITHM);
    key.signs_from = new Date(key.created_at.getTime() + publishedBeforeMs);
    await tx.manager.query('UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL', [
      key.signs_from,
    ]);
    await tx.manager.getRepository(SigningKeyEntity).insert(key);
    await this.sealKeys(tx.manager);
    const [made] = toPublic(key, this.config.SLUICE_TOKEN_TTL_S);
    if (!made) throw new Error('a new key is published');
    await tx.audit({ action: 'signing-key.rotate', subject: `signing-keys/${key.kid}`, after: made });
    tx.routingChanged();
    this.loaded = undefined;
    return made;
  }

  /** The public keys, those of tokens that are still valid included. */
  async jwks(): Promise<Jwks> {
    return (await this.recent()).jwks;
  }

  private async recent(): Promise<LoadedKeys> {
    const { loaded } = this;
    return loaded && Date.now() - loaded.loadedAtMs < reloadAfterMs ? loaded : this.load();
  }

  /** Concurrent calls share one reading. */
  private load(): Promise<LoadedKeys> {
    this.loading ??= this.read().finally(() => {
      this.loading = undefined;
    });
    return this.loading;
  }

  private async read(): Promise<LoadedKeys> {
    const rows = await this.dataSource
      .getRepository(SigningKeyEntity)
      .find({ order: { created_at: 'DESC' } });
    const { SLUICE_TOKEN_TTL_S: tokenTtlS, SLUICE_MASTER_KEY: masterKey } = this.config;
    const nowMs = Date.now();
    const published = rows.filter((row) => keyState(row, tokenTtlS, nowMs) !== 'GONE');
    this.loaded = toLoadedKeys(published, masterKey, nowMs);
    return this.loaded;
  }

  /** A key of another algorithm than the one wanted now retires; its tokens stay valid until they expire. */
  private async ensureKey(manager: EntityManager): Promise<void> {
    await manager.query('SELECT pg_advisory_xact_lock($1)', [creationLock]);
    const keys = manager.getRepository(SigningKeyEntity);
    const algorithm = this.config.SLUICE_SIGNING_ALGORITHM;
    await manager.query(
      'UPDATE signing_keys SET retired_at = now() WHERE retired_at IS NULL AND algorithm <> $1',
      [algorithm],
    );
    const current = await manager.query<unknown[]>('SELECT 1 FROM signing_keys WHERE retired_at IS NULL');
    if (current.length === 0) await keys.insert(await makeKey(algorithm));
    await this.sealKeys(manager);
  }

  /** Also those that were stored before there was a master key. */
  private async sealKeys(manager: EntityManager): Promise<void> {
    const masterKey = this.config.SLUICE_MASTER_KEY;
    if (masterKey === undefined) return;
    const keys = manager.getRepository(SigningKeyEntity);
    for (const { kid, private_pem: text } of await keys.find())
      if (!isSealed(text)) await keys.update({ kid }, { private_pem: seal(text, kid, masterKey) });
  }
}

function toPublic(row: SigningKeyEntity, tokenTtlS: number): PublicSigningKey[] {
  const state = keyState(row, tokenTtlS, Date.now());
  if (state === 'GONE') return [];
  const { kid, algorithm, signs_from, retired_at, created_at } = row;
  return [
    {
      kid,
      algorithm,
      state,
      signs_from: signs_from.toISOString(),
      retired_at: retired_at?.toISOString() ?? null,
      created_at: created_at.toISOString(),
    },
  ];
}

const privateKeyOf = (
  { kid, private_pem: text }: SigningKeyEntity,
  masterKey: string | undefined,
): KeyObject => createPrivateKey(fromStored(text, kid, masterKey));

function toLoadedKeys(
  rows: readonly SigningKeyEntity[],
  masterKey: string | undefined,
  loadedAtMs: number,
): LoadedKeys {
  const ahead = rows.filter(({ retired_at }) => retired_at === null || retired_at.getTime() > loadedAtMs);
  return {
    signing: ahead
      .map((row) => ({
        kid: row.kid,
        algorithm: row.algorithm,
        privateKey: privateKeyOf(row, masterKey),
        fromMs: row.signs_from.getTime(),
      }))
      .sort((a, b) => b.fromMs - a.fromMs),
    jwks: { keys: rows.map((row) => row.public_jwk) },
    loadedAtMs,
  };
}

async function makeKey(algorithm: Jwk['alg']): Promise<SigningKeyEntity> {
  const { publicKey, privateKey } =
    algorithm === 'RS256'
      ? await promisify(generateKeyPair)('rsa', { modulusLength: 2_048 })
      : await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  const now = new Date();
  return {
    kid,
    algorithm,
    public_jwk: { ...jwk, kid, alg: algorithm, use: 'sig' } as Jwk,
    private_pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    created_at: now,
    signs_from: now,
    retired_at: null,
  };
}
