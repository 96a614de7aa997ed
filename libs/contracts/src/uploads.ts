/** Resumable uploads: files that arrive by the tus protocol, and the versions that are made of them. */
import { z } from 'zod';
import { Id, Sha256, Timestamp, pageOf, pageQuery } from './common.js';
import { CreateVersion, FilePath } from './models.js';

export const UploadParams = z.object({ upload_id: Id });

export const Upload = z
  .object({
    id: Id,
    filename: z.string().nullable(),
    size_bytes: z.int().min(0),
    received_bytes: z.int().min(0),
    sha256: Sha256.nullable().describe('Of the whole file; null until all of it has come and was checked'),
    version_id: Id.nullable().describe('The version that was made of it'),
    expires_at: Timestamp.describe('Moves on with every piece that arrives'),
    created_at: Timestamp,
    created_by: z.string(),
  })
  .meta({ id: 'Upload' });
export type Upload = z.infer<typeof Upload>;

export const ListUploads = z.strictObject({ ...pageQuery });
export const UploadPage = pageOf(Upload);

/** What `Upload-Metadata` may hold; keys beside these are refused. */
export const UploadMetadata = z.strictObject({
  filename: z.string().max(1_024).optional(),
  filetype: z.string().max(255).optional().describe('Sent by many clients; not kept'),
  sha256: Sha256.optional(),
  model: z.string().max(255).optional().describe('Checked before the first byte is sent'),
});

/** Which finished upload becomes which file. */
export const UploadedFile = z.strictObject({ path: FilePath, upload_id: Id });

export const CreateVersionFromUploads = CreateVersion.extend({
  uploads: z.array(UploadedFile).min(1).max(1_000),
});
export type CreateVersionFromUploads = z.output<typeof CreateVersionFromUploads>;
