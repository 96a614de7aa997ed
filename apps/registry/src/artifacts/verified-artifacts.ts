/**
 * Artifacts as they are handed out: every read of a node is checked against the digest while it streams. One whose bytes have changed in the
 * store is marked corrupt, which its versions tell and which refuses their release. A mark is never believed for long: before a
 * marked artifact is sent it is read again, so that bytes that were stored anew, or restored, heal by themselves.
 */
import { Readable } from 'node:stream';
import type { ArtifactStore, ByteRange } from '#artifacts/artifact-store';
import { Transactions } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import { Inject, Injectable } from '@nestjs/common';
import { ARTIFACT_STORE } from './artifact-store.token.js';
import { artifactCorrupt, isMarkedCorrupt, markCorrupt, markIntact } from './corrupt-artifacts.js';
import { verifiedBytes } from './verified-bytes.js';

const system = { subject: 'system', requestId: undefined };

@Injectable()
export class VerifiedArtifacts implements Pick<ArtifactStore, 'size' | 'open'> {
  /** For everybody else: a range, which he may ask for as often as he likes, is not worth reading all of the artifact. */
  readonly downloads: Pick<ArtifactStore, 'size' | 'open'> = {
    size: (sha256) => this.size(sha256),
    open: async (sha256, range) => {
      if (range === undefined) return this.open(sha256);
      await this.refuseCorrupt(sha256);
      return this.store.open(sha256, range);
    },
  };

  constructor(
    private readonly transactions: Transactions,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
  ) {}

  async size(sha256: string): Promise<number | undefined> {
    const sizeBytes = await this.store.size(sha256);
    // Bytes that a version needs and the store has lost are no better than rotten ones.
    if (sizeBytes === undefined) await this.report(sha256);
    return sizeBytes;
  }

  /** @throws SluiceError ARTIFACT_CORRUPT when it is known to be; the stream ends in it when that shows only while it is read */
  async open(sha256: string, range: ByteRange = { start: 0, end: Infinity }): Promise<Readable> {
    await this.refuseCorrupt(sha256);
    return Readable.from(this.checked(sha256, range), { objectMode: false });
  }

  private async refuseCorrupt(sha256: string): Promise<void> {
    const { manager } = this.transactions.dataSource;
    if (!(await isMarkedCorrupt(manager, sha256))) return;
    if (await this.store.verify(sha256)) return markIntact(manager, sha256);
    throw artifactCorrupt(`the artifact ${sha256}`);
  }

  private async *checked(sha256: string, range: ByteRange): AsyncGenerator<Buffer> {
    try {
      yield* verifiedBytes(this.store, sha256, range);
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'ARTIFACT_CORRUPT') await this.report(sha256);
      throw error;
    }
  }

  private report(sha256: string): Promise<void> {
    return this.transactions.write(system, (tx) => markCorrupt(tx, sha256));
  }
}
