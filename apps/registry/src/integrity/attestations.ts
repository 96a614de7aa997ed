/** Signatures over a version's manifest: read, checked and written. Call what writes with the model locked. */
import { createHash, createPublicKey, verify } from 'node:crypto';
import type { Integrity } from '#contracts/integrity';
import { manifestOf } from '#contracts/manifest';
import type { Attest, VersionFile } from '#contracts/models';
import { AttestationEntity, TrustedKeyEntity } from '#database/entities/integrity.entity';
import type { ModelEntity } from '#database/entities/model.entity';
import { VersionFileEntity } from '#database/entities/version.entity';
import type { VersionEntity } from '#database/entities/version.entity';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';
import type { z } from 'zod';
import { artifactCorrupt, corruptFilesOf } from '../artifacts/corrupt-artifacts.js';
import type { Caller } from '../http/caller.js';

type ModelRef = Pick<ModelEntity, 'id' | 'name'>;

/** @throws SluiceError KEY_NOT_FOUND, or ATTESTATION_INVALID when the signature is not this manifest's */
export async function addAttestation(
  tx: WriteContext,
  model: ModelRef,
  row: VersionEntity,
  { key: keyName, signature }: z.output<typeof Attest>,
  caller: Caller,
): Promise<void> {
  if (row.external)
    throw new SluiceError(
      'ATTESTATION_INVALID',
      `Version ${row.number} of "${model.name}" has no files here: there is nothing to sign.`,
    );
  const key = await tx.manager.findOneBy(TrustedKeyEntity, { name: keyName });
  if (!key || key.revoked_at) throw keyNotFound(keyName);
  if (!isSignedBy(key.public_key, await readManifest(tx.manager, model, row), signature))
    throw new SluiceError(
      'ATTESTATION_INVALID',
      `This is no signature of the key "${keyName}" over the manifest of version ${row.number}. Sign exactly the bytes of the manifest.`,
    );
  const where = { version_id: row.id, key_name: keyName };
  if (await tx.manager.existsBy(AttestationEntity, where)) return;
  await tx.manager.insert(AttestationEntity, {
    ...where,
    signature,
    created_at: new Date(),
    created_by: caller.subject,
  });
  const subject = `models/${model.name}/versions/${row.number}`;
  await tx.audit({ action: 'version.attest', subject, after: { key: keyName, signature } });
}

/** ed25519 signs the text itself (RFC 8032). */
const isSignedBy = (publicKey: string, manifest: string, signature: string): boolean =>
  verify(null, Buffer.from(manifest), createPublicKey(publicKey), Buffer.from(signature, 'base64'));

async function readManifest(manager: EntityManager, model: ModelRef, row: VersionEntity): Promise<string> {
  const files: Pick<VersionFile, 'path' | 'sha256'>[] = await manager.findBy(VersionFileEntity, {
    version_id: row.id,
  });
  return manifestOf(model.name, row.entry_file, files);
}

export async function readIntegrity(
  manager: EntityManager,
  model: ModelRef,
  row: VersionEntity,
): Promise<Integrity> {
  const manifest = await readManifest(manager, model, row);
  const rows = await manager.query<
    (AttestationEntity & Pick<TrustedKeyEntity, 'revoked_at' | 'public_key'>)[]
  >(
    `SELECT a.*, k.revoked_at, k.public_key FROM attestations a JOIN trusted_keys k ON k.name = a.key_name
     WHERE a.version_id = $1 ORDER BY a.created_at, a.key_name`,
    [row.id],
  );
  const attestations = rows.map((one) => ({
    key: one.key_name,
    signature: one.signature,
    // Again, not only when it was added: nobody who can merely write into the database makes a version signed.
    counts: one.revoked_at === null && isSignedBy(one.public_key, manifest, one.signature),
    created_at: one.created_at.toISOString(),
    created_by: one.created_by,
  }));
  return {
    manifest,
    manifest_sha256: createHash('sha256').update(manifest).digest('hex'),
    attestations,
    signed: attestations.some(({ counts }) => counts),
    signed_only: await asksForSignature(manager, model),
    corrupt_files: await corruptFilesOf(manager, row.id),
  };
}

/** Whether the platform's policy or the model's own lets only signed versions be released. */
async function asksForSignature(manager: EntityManager, model: ModelRef): Promise<boolean> {
  const [row] = await manager.query<{ signed_only: boolean }[]>(
    `SELECT m.signed_only OR COALESCE((SELECT signed_only FROM release_policy), false) AS signed_only
     FROM models m WHERE m.id = $1`,
    [model.id],
  );
  return row?.signed_only === true;
}

/** @throws SluiceError ARTIFACT_CORRUPT, or VERSION_NOT_SIGNED when a policy asks for a signature that one of the versions does not have */
export async function requireReleasable(
  manager: EntityManager,
  model: ModelRef,
  rows: readonly VersionEntity[],
): Promise<void> {
  for (const row of rows) {
    const name = `version ${row.number} of "${model.name}"`;
    const { corrupt_files, signed, signed_only } = await readIntegrity(manager, model, row);
    const [path] = corrupt_files;
    if (path !== undefined) throw artifactCorrupt(`"${path}" of ${name}`);
    if (signed_only && !signed)
      throw new SluiceError(
        'VERSION_NOT_SIGNED',
        `Only signed versions may be released, and no trusted key has signed ${name}. Add a signature first.`,
      );
  }
}

export const keyNotFound = (name: string): SluiceError =>
  new SluiceError('KEY_NOT_FOUND', `There is no trusted key "${name}", or it was revoked.`);
