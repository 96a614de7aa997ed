import type { UploadEntity } from '#database/entities/upload.entity';
import { allows } from '#contracts/scopes';
import type { Caller } from '../http/caller.js';
import { uploadNotFound } from './upload-rows.js';

/** @throws SluiceError UPLOAD_NOT_FOUND when the upload is somebody else's: even that it exists is nobody's business */
export function requireOwn(row: Pick<UploadEntity, 'id' | 'created_by'>, caller: Caller): void {
  if (row.created_by !== caller.subject && !allows(caller.scopes, 'admin')) throw uploadNotFound(row.id);
}
