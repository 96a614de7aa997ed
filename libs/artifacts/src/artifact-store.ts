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
}
