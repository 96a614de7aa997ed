/** Where the bytes of versions live: content-addressed by SHA-256, written once, never changed. */
import type { Readable } from 'node:stream';

/** First and last byte, both inclusive, as in a Content-Range header. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface StoredArtifact {
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface WriteOptions {
  readonly maxBytes: number;
  /** Announced digest in lower-case hex; other bytes are refused and not stored. */
  readonly sha256?: string | undefined;
}

/**
 * Asked when the bytes of an artifact are known and before they can be read under their digest. Whoever collects garbage must
 * leave a claimed artifact alone for a while, because only its writer knows what will refer to it.
 */
export type Claim = (artifact: StoredArtifact) => Promise<void>;

export interface ArtifactStore {
  /**
   * Stores what `source` yields. When it returns, the bytes are durable and readable under their digest; when it throws,
   * nothing is left. The same bytes share their storage.
   * @throws SluiceError PAYLOAD_TOO_LARGE, DIGEST_MISMATCH; or what `source` failed with
   */
  write(source: Readable, options: WriteOptions): Promise<StoredArtifact>;
  /**
   * Opens an artifact, whole or one range of it.
   * @throws SluiceError ARTIFACT_NOT_FOUND before any byte is read
   */
  open(sha256: string, range?: ByteRange): Promise<Readable>;
  has(sha256: string): Promise<boolean>;
  /** Bytes of an artifact, or undefined when there is none. */
  size(sha256: string): Promise<number | undefined>;
  /** Reads an artifact again and tells whether its bytes still have their digest. */
  verify(sha256: string): Promise<boolean>;
  /** Deletes an artifact; one that is not there is no error. Only for whoever knows that nothing refers to it. */
  remove(sha256: string): Promise<void>;
  /** Removes what dead processes have left of unfinished writes. Call it now and then: a killed process cannot. */
  sweep(nowMs: number): Promise<void>;
}

/**
 * Pieces of uploads that are not finished yet. A piece is written once, by one writer, and is durable when `write` returns;
 * which pieces make up an upload is for the caller to remember.
 */
export interface PieceStore {
  /** @returns the bytes of the piece. When `source` fails there is no piece. */
  write(upload: string, piece: string, source: Readable): Promise<number>;
  open(upload: string, piece: string): Promise<Readable>;
  remove(upload: string, piece: string): Promise<void>;
  /** Deletes all pieces of an upload. */
  removeAll(upload: string): Promise<void>;
  /** Uploads of which there are pieces. */
  list(): Promise<string[]>;
}
