/** The rows of uploads. Progress is compare-and-set, so several registries may write one upload and none overwrites another. */
import { SluiceError } from '#platform/errors';
import type { EntityManager } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { UploadEntity, UploadPieceEntity } from '#database/entities/upload.entity';

export interface Piece {
  readonly startBytes: number;
  readonly sizeBytes: number;
  readonly name: string;
}

/** @throws SluiceError UPLOAD_NOT_FOUND */
export async function findUpload(manager: EntityManager, id: string): Promise<UploadEntity> {
  const row = isUuid(id) ? await manager.findOneBy(UploadEntity, { id }) : null;
  if (row) return row;
  throw uploadNotFound(id);
}

export const uploadNotFound = (id: string): SluiceError =>
  new SluiceError('UPLOAD_NOT_FOUND', `There is no upload ${id}. It may have expired; begin a new one.`);

export async function piecesOf(manager: EntityManager, id: string): Promise<UploadPieceEntity[]> {
  return manager.find(UploadPieceEntity, { where: { upload_id: id }, order: { start_bytes: 'ASC' } });
}

/**
 * Adds a stored piece at its place. @returns whether it still was the place: of two writers the faster one has won.
 */
export async function addPiece(
  manager: EntityManager,
  id: string,
  piece: Piece,
  ttlS: number,
): Promise<boolean> {
  const rows = await manager.query<unknown[]>(
    `WITH moved AS (
       UPDATE uploads SET received_bytes = received_bytes + $3, expires_at = now() + make_interval(secs => $5)
       WHERE id = $1 AND received_bytes = $2 AND artifact_sha256 IS NULL RETURNING id)
     INSERT INTO upload_pieces (upload_id, start_bytes, size_bytes, name) SELECT id, $2, $3, $4 FROM moved
     RETURNING upload_id`,
    [id, piece.startBytes, piece.sizeBytes, piece.name, ttlS],
  );
  return rows.length > 0;
}

/** Names the whole, and forgets the pieces. */
export async function finishUpload(manager: EntityManager, id: string, sha256: string): Promise<void> {
  await manager.query(
    `WITH finished AS (UPDATE uploads SET artifact_sha256 = $2 WHERE id = $1 AND artifact_sha256 IS NULL)
     DELETE FROM upload_pieces WHERE upload_id = $1`,
    [id, sha256],
  );
}
