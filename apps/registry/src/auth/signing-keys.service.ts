/**
 * The keys that sign tokens. The first registry to start makes one; all registries read them from the database and hold
 * them in memory. A private key never leaves this class except as a KeyObject for signing.
 */
import type { Jwk, Jwks } from '#contracts/clients';
import { SigningKeyEntity } from '#database/entities/client.entity';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { DataSource } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { isSealed, open, seal } from './key-seal.js';

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: Jwk['alg'];
  readonly privateKey: KeyObject;
}

export interface VerificationKey {
  readonly algorithm: Jwk['alg'];
  readonly publicKey: KeyObject;
}

interface LoadedKeys {
  readonly signing: SigningKey;
  readonly verification: ReadonlyMap<string, VerificationKey>;
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
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.dataSource.transaction((manager) => this.ensureKey(manager));
    await this.load();
  }

  async signingKey(): Promise<SigningKey> {
    return (this.loaded ?? (await this.load())).signing;
  }

  /** The key that a token names, or undefined. An unknown name is looked up again, but not at every call. */
  async verificationKey(kid: string): Promise<VerificationKey | undefined> {
    const known = this.loaded?.verification.get(kid);
    if (known) return known;
    return (await this.recent()).verification.get(kid);
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
    const isPublished = ({ retired_at }: SigningKeyEntity): boolean =>
      retired_at === null || retired_at.getTime() + this.config.SLUICE_TOKEN_TTL_S * 1_000 > Date.now();
    this.loaded = toLoadedKeys(rows.filter(isPublished), this.config.SLUICE_MASTER_KEY, Date.now());
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

function privateKeyOf(
  { kid, private_pem: text }: SigningKeyEntity,
  masterKey: string | undefined,
): KeyObject {
  if (!isSealed(text)) return createPrivateKey(text);
  if (masterKey === undefined)
    throw new Error('The signing keys are encrypted. Set SLUICE_MASTER_KEY to the key that encrypted them.');
  return createPrivateKey(open(text, kid, masterKey));
}

function toLoadedKeys(
  rows: readonly SigningKeyEntity[],
  masterKey: string | undefined,
  loadedAtMs: number,
): LoadedKeys {
  const active = rows.find((row) => row.retired_at === null);
  if (!active)
    throw new Error('There is no signing key in the database. Restart the registry: it makes one.');
  return {
    signing: {
      kid: active.kid,
      algorithm: active.algorithm,
      privateKey: privateKeyOf(active, masterKey),
    },
    verification: new Map(
      rows.map((row) => [row.kid, { algorithm: row.algorithm, publicKey: publicKeyOf(row.public_jwk) }]),
    ),
    jwks: { keys: rows.map((row) => row.public_jwk) },
    loadedAtMs,
  };
}

const publicKeyOf = (jwk: Jwk): KeyObject => createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });

async function makeKey(algorithm: Jwk['alg']): Promise<SigningKeyEntity> {
  const { publicKey, privateKey } =
    algorithm === 'RS256'
      ? await promisify(generateKeyPair)('rsa', { modulusLength: 2_048 })
      : await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return {
    kid,
    algorithm,
    public_jwk: { ...jwk, kid, alg: algorithm, use: 'sig' } as Jwk,
    private_pem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    created_at: new Date(),
    retired_at: null,
  };
}
