/**
 * The bytes of resumable uploads: pieces as they come, one artifact at the end. A piece is stored first and counted second;
 * what a killed process stored and did not count is sent again. Knows nothing of HTTP.
 */
import { Readable } from 'node:stream';
import type { ArtifactStore, PieceStore } from '#artifacts/artifact-store';
import { UploadEntity } from '#database/entities/upload.entity';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ARTIFACT_STORE, PIECE_STORE } from '../artifacts/artifact-store.token.js';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { PieceCutter } from './cut-pieces.js';
import { addPiece, findUpload, finishUpload, piecesOf } from './upload-rows.js';

/** What the death of a registry may cost: so much has to be sent again. */
const pieceBytes = 64 * 2 ** 20;

@Injectable()
export class UploadBytes {
  /** Writers of this process, by upload: one whose connection broke goes on until what came is stored. */
  readonly #appending = new Map<string, Promise<number>>();
  /** Several callers may wait for one end. */
  readonly #finishing = new Map<string, Promise<UploadEntity>>();

  constructor(
    private readonly dataSource: DataSource,
    @Inject(ARTIFACT_STORE) private readonly artifacts: ArtifactStore,
    @Inject(PIECE_STORE) private readonly pieces: PieceStore,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  /**
   * Stores what `source` yields from `offset` on, also when it breaks off.
   * @returns the offset reached
   * @throws SluiceError UPLOAD_CONFLICT when another writer was faster; or what `source` failed with
   */
  append(id: string, offset: number, source: Readable): Promise<number> {
    const appending = this.#append(id, offset, source).finally(() => {
      if (this.#appending.get(id) === appending) this.#appending.delete(id);
    });
    this.#appending.set(id, appending);
    return appending;
  }

  /** Resolves when no writer of this process is storing anything of the upload: then its offset stands. */
  async settled(id: string): Promise<void> {
    await this.#appending.get(id)?.catch(() => undefined);
  }

  async #append(id: string, offset: number, source: Readable): Promise<number> {
    const cutter = new PieceCutter(source as AsyncIterable<Buffer>, pieceBytes);
    let reached = offset;
    while (await cutter.hasMore()) reached += await this.#store(id, reached, cutter.next());
    if (cutter.error !== undefined) throw cutter.error;
    return reached;
  }

  async #store(id: string, startBytes: number, source: Readable): Promise<number> {
    const name = `${startBytes}-${uuidv7()}`;
    const sizeBytes = await this.pieces.write(id, name, source);
    const piece = { startBytes, sizeBytes, name };
    if (await addPiece(this.dataSource.manager, id, piece, this.config.SLUICE_UPLOAD_TTL_S)) return sizeBytes;
    await this.pieces.remove(id, name);
    throw new SluiceError(
      'UPLOAD_CONFLICT',
      `Upload ${id} has moved on from byte ${startBytes}. Ask for its offset and go on from there.`,
    );
  }

  /**
   * Makes one artifact of a complete upload; safe to repeat.
   * @throws SluiceError UPLOAD_NOT_FINISHED; or DIGEST_MISMATCH, and then the upload is gone
   */
  finish(id: string): Promise<UploadEntity> {
    const running = this.#finishing.get(id);
    if (running) return running;
    const begun = this.#finish(id).finally(() => this.#finishing.delete(id));
    this.#finishing.set(id, begun);
    return begun;
  }

  async #finish(id: string): Promise<UploadEntity> {
    const { manager } = this.dataSource;
    const row = await findUpload(manager, id);
    if (row.artifact_sha256 !== null) return row;
    if (row.received_bytes < row.size_bytes)
      throw new SluiceError(
        'UPLOAD_NOT_FINISHED',
        `Upload ${id} has ${row.received_bytes} of ${row.size_bytes} bytes. Send the rest first.`,
      );
    try {
      const options = { maxBytes: row.size_bytes, sha256: row.expected_sha256 ?? undefined };
      const { sha256 } = await this.artifacts.write(Readable.from(this.#read(id)), options);
      await finishUpload(manager, id, sha256);
    } catch (error) {
      // Another registry has finished it, and has taken the pieces away meanwhile.
      const now = await findUpload(manager, id);
      if (now.artifact_sha256 !== null) return now;
      if (error instanceof SluiceError && error.code === 'DIGEST_MISMATCH') await this.discard(id);
      throw error;
    }
    await this.pieces.removeAll(id);
    return findUpload(manager, id);
  }

  async *#read(id: string): AsyncGenerator<Buffer> {
    for (const { name } of await piecesOf(this.dataSource.manager, id))
      yield* (await this.pieces.open(id, name)) as AsyncIterable<Buffer>;
  }

  /** Forgets an upload and its pieces; a version that was made of it stays. */
  async discard(id: string): Promise<void> {
    await this.dataSource.manager.delete(UploadEntity, { id });
    await this.pieces.removeAll(id);
  }
}
