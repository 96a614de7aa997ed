/** A stream that measures and hashes what flows through it; uploads and downloads are checked by the same code. */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { TransformCallback } from 'node:stream';
import { SluiceError } from '#platform/errors';

export interface DigestOptions {
  /** Digest in lower-case hex that the bytes must have. */
  readonly sha256?: string | undefined;
  /** Default: no limit. */
  readonly maxBytes?: number | undefined;
  /** A running hash of bytes that were there before, when a download is resumed. */
  readonly resumeFrom?: Hash | undefined;
}

/** Passes bytes on unchanged. `sha256` may be read once the stream has ended. */
export class DigestStream extends Transform {
  sizeBytes = 0;
  readonly #hash: Hash;
  readonly #options: DigestOptions;
  #sha256: string | undefined;

  constructor(options: DigestOptions = {}) {
    super();
    this.#options = options;
    this.#hash = options.resumeFrom ?? createHash('sha256');
  }

  /** @throws Error before the end of the stream */
  get sha256(): string {
    if (this.#sha256 === undefined) throw new Error('The digest is known only when the stream has ended');
    return this.#sha256;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.sizeBytes += chunk.length;
    const { maxBytes = Infinity } = this.#options;
    if (this.sizeBytes > maxBytes) {
      done(new SluiceError('PAYLOAD_TOO_LARGE', `More than the allowed ${maxBytes} bytes were sent.`));
      return;
    }
    this.#hash.update(chunk);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    this.#sha256 = this.#hash.digest('hex');
    const expected = this.#options.sha256;
    if (expected === undefined || expected === this.#sha256) done();
    else done(digestMismatch(expected, this.#sha256));
  }
}

/** Hashes what is piped through it and ends in DIGEST_MISMATCH or PAYLOAD_TOO_LARGE when the bytes are not as announced. */
export const digestStream = (options?: DigestOptions): DigestStream => new DigestStream(options);

/** The error for bytes that are not the announced ones. */
export const digestMismatch = (expected: string, actual: string): SluiceError =>
  new SluiceError(
    'DIGEST_MISMATCH',
    `SHA-256 ${expected} was announced, but the bytes have ${actual}. Send them again.`,
  );
