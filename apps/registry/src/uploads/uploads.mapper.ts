import type { Upload } from '#contracts/uploads';
import type { UploadEntity } from '#database/entities/upload.entity';

export const toUpload = (row: UploadEntity): Upload => ({
  id: row.id,
  filename: row.filename,
  size_bytes: row.size_bytes,
  received_bytes: row.received_bytes,
  sha256: row.artifact_sha256,
  version_id: row.version_id,
  expires_at: row.expires_at.toISOString(),
  created_at: row.created_at.toISOString(),
  created_by: row.created_by,
});
