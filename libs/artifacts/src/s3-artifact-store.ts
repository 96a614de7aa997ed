/**
 * ArtifactStore in a bucket: `sha256/ab/cd/<digest>`, and `tmp/` for large ones whose digest is not known before their end; those are
 * copied to their place inside the server. An object under `sha256/` is complete and has the digest that its name says.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SluiceError } from '#platform/errors';
import { v7 as uuidv7 } from 'uuid';
import type { ArtifactStore, ByteRange, Claim, StoredArtifact, WriteOptions } from './artifact-store.js';
import { digestStream } from './digest-stream.js';
import type { DigestStream } from './digest-stream.js';
import type { S3Client } from './s3-client.js';
import { inParts, putParts } from './s3-parts.js';

const maxCopyBytes = 2 ** 30;
/** Longer than any upload takes. */
const staleAfterMs = 7 * 86_400_000;

export class S3ArtifactStore implements ArtifactStore {
  constructor(
    private readonly s3: S3Client,
    private readonly claim?: Claim,
  ) {}

  async write(source: Readable, { maxBytes, sha256 }: WriteOptions): Promise<StoredArtifact> {
    const digest = digestStream({ maxBytes, sha256 });
    const flowing = pipeline(source, digest);
    // A failure ends `digest` with the same error, which the reader of the parts throws.
    flowing.catch(() => undefined);
    const parts = inParts(digest);
    const first = await parts.next();
    const second = await parts.next();
    if (first.done === true || second.done === true) {
      const body = first.done === true ? Buffer.alloc(0) : first.value;
      await flowing;
      const artifact = await this.#claimed(digest);
      await this.s3.put(keyOf(artifact.sha256), body);
      return artifact;
    }
    const all = joined([first.value, second.value], parts);
    return sha256 === undefined ? this.#writeUnknown(all, digest) : this.#writeKnown(all, digest, sha256);
  }

  /** Straight to its place: it can be seen only once it is complete, and that is after the digest was checked. */
  async #writeKnown(
    parts: AsyncIterable<Buffer<ArrayBuffer>>,
    digest: DigestStream,
    sha256: string,
  ): Promise<StoredArtifact> {
    await putParts(this.s3, keyOf(sha256), parts, async () => void (await this.#claimed(digest)));
    return { sha256, sizeBytes: digest.sizeBytes };
  }

  async #writeUnknown(
    parts: AsyncIterable<Buffer<ArrayBuffer>>,
    digest: DigestStream,
  ): Promise<StoredArtifact> {
    const temporary = `tmp/${uuidv7()}`;
    await putParts(this.s3, temporary, parts);
    try {
      const artifact = await this.#claimed(digest);
      await this.#copy(temporary, keyOf(artifact.sha256), artifact.sizeBytes);
      return artifact;
    } finally {
      await this.s3.remove(temporary);
    }
  }

  async #claimed({ sha256, sizeBytes }: DigestStream): Promise<StoredArtifact> {
    await this.claim?.({ sha256, sizeBytes });
    return { sha256, sizeBytes };
  }

  async #copy(from: string, to: string, sizeBytes: number): Promise<void> {
    if (sizeBytes <= maxCopyBytes) return this.s3.copy(from, to);
    const upload = await this.s3.beginMultipart(to);
    try {
      const etags: string[] = [];
      for (let start = 0; start < sizeBytes; start += maxCopyBytes) {
        const range = { start, end: Math.min(start + maxCopyBytes, sizeBytes) - 1 };
        etags.push(await this.s3.copyPart(upload, etags.length + 1, from, range));
      }
      await this.s3.completeMultipart(upload, etags);
    } catch (error) {
      await this.s3.abortMultipart(upload);
      throw error;
    }
  }

  async open(sha256: string, range?: ByteRange): Promise<Readable> {
    const answer = isDigest(sha256) ? await this.s3.get(keyOf(sha256), range) : undefined;
    if (!answer) throw notFound(sha256);
    return answer.body ? Readable.fromWeb(answer.body) : Readable.from([]);
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.size(sha256)) !== undefined;
  }

  async size(sha256: string): Promise<number | undefined> {
    return isDigest(sha256) ? this.s3.size(keyOf(sha256)) : undefined;
  }

  async verify(sha256: string): Promise<boolean> {
    const digest = digestStream();
    await pipeline(await this.open(sha256), digest.resume());
    return digest.sha256 === sha256;
  }

  async remove(sha256: string): Promise<void> {
    if (isDigest(sha256)) await this.s3.remove(keyOf(sha256));
  }

  async sweep(nowMs: number): Promise<void> {
    const beforeMs = nowMs - staleAfterMs;
    for (const prefix of ['sha256/', 'tmp/', 'uploads/'])
      for (const upload of await this.s3.staleMultiparts(prefix, beforeMs))
        await this.s3.abortMultipart(upload);
    for await (const { key, modifiedMs } of this.s3.list('tmp/'))
      if (modifiedMs < beforeMs) await this.s3.remove(key);
  }
}

async function* joined<T>(first: readonly T[], rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield* first;
  yield* rest;
}

const isDigest = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);
const keyOf = (sha256: string): string => `sha256/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}`;
const notFound = (sha256: string): SluiceError =>
  new SluiceError('ARTIFACT_NOT_FOUND', `There is no artifact ${sha256.slice(0, 64)}.`);
