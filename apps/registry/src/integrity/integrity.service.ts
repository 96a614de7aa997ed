/** Trusted keys, attestations, and the policy that only signed versions may be released. Every change is in the audit log. */
import { createHash, createPublicKey } from 'node:crypto';
import type {
  CreateTrustedKey,
  Integrity,
  PolicyReport,
  ReleasePolicy,
  TrustedKey,
} from '#contracts/integrity';
import type { Attest } from '#contracts/models';
import { ReleasePolicyEntity, TrustedKeyEntity } from '#database/entities/integrity.entity';
import { ModelEntity } from '#database/entities/model.entity';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { z } from 'zod';
import type { Caller } from '../http/caller.js';
import { violatedConstraint } from '../http/violations.js';
import { findModel, lockModel } from '../models/model-lookup.js';
import { findVersion } from '../versions/version-lookup.js';
import type { VersionAddress } from '../versions/versions.service.js';
import { addAttestation, keyNotFound, readIntegrity } from './attestations.js';

@Injectable()
export class IntegrityService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: Transactions,
  ) {}

  async listKeys(): Promise<{ items: TrustedKey[] }> {
    const rows = await this.dataSource.manager.find(TrustedKeyEntity, { order: { name: 'ASC' } });
    return { items: rows.map(toTrustedKey) };
  }

  addKey({ name, public_key }: z.output<typeof CreateTrustedKey>, caller: Caller): Promise<TrustedKey> {
    const row: TrustedKeyEntity = {
      name,
      ...parseKey(public_key),
      revoked_at: null,
      created_at: new Date(),
      created_by: caller.subject,
    };
    return this.transactions.write(caller, async (tx) => {
      await tx.manager.insert(TrustedKeyEntity, row).catch((error: unknown) => {
        if (violatedConstraint(error) === undefined) throw error;
        throw new SluiceError(
          'ALREADY_EXISTS',
          `There is a trusted key "${name}", or one with these bytes, already.`,
        );
      });
      const after = toTrustedKey(row);
      await tx.audit({ action: 'trusted_key.add', subject: `trusted-keys/${name}`, after });
      return after;
    });
  }

  revokeKey(name: string, caller: Caller): Promise<TrustedKey> {
    return this.transactions.write(caller, async (tx) => {
      const row = await tx.manager.findOneBy(TrustedKeyEntity, { name });
      if (!row) throw keyNotFound(name);
      if (row.revoked_at) return toTrustedKey(row);
      const before = toTrustedKey(row);
      row.revoked_at = new Date();
      await tx.manager.update(TrustedKeyEntity, { name }, { revoked_at: row.revoked_at });
      const after = toTrustedKey(row);
      await tx.audit({ action: 'trusted_key.revoke', subject: `trusted-keys/${name}`, before, after });
      return after;
    });
  }

  async read(address: VersionAddress): Promise<Integrity> {
    const { manager } = this.dataSource;
    const model = await findModel(manager, address.model);
    return readIntegrity(manager, model, await findVersion(manager, model, address.version));
  }

  attest(address: VersionAddress, input: z.output<typeof Attest>, caller: Caller): Promise<Integrity> {
    return this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, address.model);
      const row = await findVersion(tx.manager, model, address.version);
      await addAttestation(tx, model, row, input, caller);
      return readIntegrity(tx.manager, model, row);
    });
  }

  async readPolicy(): Promise<PolicyReport> {
    const row = await this.dataSource.manager.findOneBy(ReleasePolicyEntity, { id: 1 });
    const signed_only = row?.signed_only ?? false;
    return { signed_only, unsigned: await this.unsignedWithTraffic(signed_only) };
  }

  async setPolicy(policy: ReleasePolicy, caller: Caller): Promise<PolicyReport> {
    await this.transactions.write(caller, async (tx) => {
      const before = await tx.manager.findOneBy(ReleasePolicyEntity, { id: 1 });
      if ((before?.signed_only ?? false) === policy.signed_only) return;
      await tx.manager.upsert(ReleasePolicyEntity, { id: 1, ...policy }, ['id']);
      const was = { signed_only: !policy.signed_only };
      await tx.audit({ action: 'release_policy.set', subject: 'release-policy', before: was, after: policy });
    });
    return this.readPolicy();
  }

  setModelPolicy(modelName: string, policy: ReleasePolicy, caller: Caller): Promise<ReleasePolicy> {
    return this.transactions.write(caller, async (tx) => {
      const model = await lockModel(tx.manager, modelName);
      if (model.signed_only === policy.signed_only) return policy;
      await tx.manager.update(ModelEntity, { id: model.id }, policy);
      const before = { signed_only: model.signed_only };
      await tx.audit({
        action: 'model.set_release_policy',
        subject: `models/${model.name}`,
        before,
        after: policy,
      });
      return policy;
    });
  }

  private async unsignedWithTraffic(everywhere: boolean): Promise<PolicyReport['unsigned']> {
    const { manager } = this.dataSource;
    const released = await manager.query<PolicyReport['unsigned']>(
      `SELECT DISTINCT m.name AS model, v.number AS version, e.name AS endpoint
       FROM traffic_targets t JOIN endpoints e ON e.id = t.endpoint_id JOIN models m ON m.id = t.model_id
       LEFT JOIN aliases l ON l.model_id = t.model_id AND l.name = t.alias
       JOIN versions v ON v.model_id = t.model_id AND v.number = COALESCE(t.version_number, l.version_number)
       WHERE m.signed_only OR $1 ORDER BY 1, 2, 3`,
      [everywhere],
    );
    const unsigned = [];
    for (const one of released) if (!(await this.read(one)).signed) unsigned.push(one);
    return unsigned;
  }
}

/** @throws SluiceError INVALID_REQUEST unless it is an ed25519 public key */
function parseKey(text: string): Pick<TrustedKeyEntity, 'public_key' | 'fingerprint'> {
  try {
    if (/PRIVATE/.test(text)) throw new Error('a private key is nobody else’s business');
    const key = createPublicKey(text);
    if (key.asymmetricKeyType !== 'ed25519')
      throw new Error(`the key is of the type ${key.asymmetricKeyType}`);
    const der = key.export({ type: 'spki', format: 'der' });
    return {
      public_key: key.export({ type: 'spki', format: 'pem' }) as string,
      fingerprint: createHash('sha256').update(der).digest('hex'),
    };
  } catch (cause) {
    const detail =
      'body.public_key: must be an ed25519 public key in PEM, as `openssl pkey -pubout` writes it.';
    throw new SluiceError('INVALID_REQUEST', detail, { cause });
  }
}

const toTrustedKey = (row: TrustedKeyEntity): TrustedKey => ({
  name: row.name,
  public_key: row.public_key,
  fingerprint: row.fingerprint,
  revoked_at: row.revoked_at?.toISOString() ?? null,
  created_at: row.created_at.toISOString(),
  created_by: row.created_by,
});
