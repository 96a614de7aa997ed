/** Marks of artifacts whose stored bytes have another digest than their own, and what the versions that hold them say about it. */
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';

export async function isMarkedCorrupt(manager: EntityManager, sha256: string): Promise<boolean> {
  const rows = await manager.query<unknown[]>(
    'SELECT 1 FROM artifacts WHERE sha256 = $1 AND corrupt_at IS NOT NULL',
    [sha256],
  );
  return rows.length > 0;
}

/** Marks it, with one event `version.corrupt` for each version that holds it. Does nothing when it is marked already. */
export async function markCorrupt(tx: WriteContext, sha256: string): Promise<void> {
  const [, marked] = await tx.manager.query<[unknown, number]>(
    'UPDATE artifacts SET corrupt_at = now() WHERE sha256 = $1 AND corrupt_at IS NULL',
    [sha256],
  );
  if (marked === 0) return;
  const holders = await tx.manager.query<{ model: string; version: number; path: string }[]>(
    `SELECT m.name AS model, v.number AS version, f.path FROM version_files f
     JOIN versions v ON v.id = f.version_id JOIN models m ON m.id = v.model_id
     WHERE f.sha256 = $1 ORDER BY 1, 2, 3`,
    [sha256],
  );
  for (const { model, version, path } of holders)
    await tx.event({
      type: 'version.corrupt',
      subject: `models/${model}/versions/${version}`,
      data: { path, sha256 },
    });
}

export async function markIntact(manager: EntityManager, sha256: string): Promise<void> {
  await manager.query('UPDATE artifacts SET corrupt_at = NULL WHERE sha256 = $1', [sha256]);
}

/** Paths of a version's files that are marked. */
export async function corruptFilesOf(manager: EntityManager, versionId: string): Promise<string[]> {
  const rows = await manager.query<{ path: string }[]>(
    `SELECT f.path FROM version_files f JOIN artifacts a ON a.sha256 = f.sha256
     WHERE f.version_id = $1 AND a.corrupt_at IS NOT NULL ORDER BY 1`,
    [versionId],
  );
  return rows.map(({ path }) => path);
}

export const artifactCorrupt = (name: string): SluiceError =>
  new SluiceError(
    'ARTIFACT_CORRUPT',
    `The stored bytes of ${name} have another digest than when they came. Upload the same file once more, or restore it from a backup.`,
  );
