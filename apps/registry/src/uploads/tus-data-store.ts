/** What @tus/server needs of a store, in terms of ours. The caller's rights are checked before a request gets here. */
import type { Readable } from 'node:stream';
import { DataStore, Upload } from '@tus/server';
import type { DataSource } from 'typeorm';
import type { UploadBytes } from './upload-bytes.js';
import { findUpload } from './upload-rows.js';

export class TusDataStore extends DataStore {
  override extensions = ['creation', 'creation-with-upload', 'expiration', 'termination'];

  constructor(
    private readonly dataSource: DataSource,
    private readonly bytes: UploadBytes,
    private readonly ttlS: number,
    private readonly discard: (id: string) => Promise<void>,
  ) {
    super();
  }

  /** The row was written by the hook that checked the metadata. */
  override create(upload: Upload): Promise<Upload> {
    return Promise.resolve(upload);
  }

  override write(stream: Readable, id: string, offset: number): Promise<number> {
    return this.bytes.append(id, offset, stream);
  }

  /** Runs with the upload's lock, which a writer whose connection broke gives back before what came is stored. */
  override async getUpload(id: string): Promise<Upload> {
    await this.bytes.settled(id);
    const row = await findUpload(this.dataSource.manager, id);
    return new Upload({
      id,
      size: row.size_bytes,
      offset: row.received_bytes,
      ...(row.filename === null ? {} : { metadata: { filename: row.filename } }),
      // The protocol's server lets an upload live so long after its creation; ours lives so long after its last byte.
      creation_date: new Date(row.expires_at.getTime() - this.getExpiration()).toISOString(),
    });
  }

  override remove(id: string): Promise<void> {
    return this.discard(id);
  }

  override getExpiration(): number {
    return this.ttlS * 1_000;
  }
}
