/** A part of an artifact whose last bytes are handed out only once the digest of the whole was right. */
import { createHash } from 'node:crypto';
import type { ArtifactStore, ByteRange } from '#artifacts/artifact-store';
import { artifactCorrupt } from './corrupt-artifacts.js';

/**
 * Reads all of the artifact, also for a range of it: a digest is of the whole.
 * @throws SluiceError ARTIFACT_CORRUPT in place of the end: whoever receives it sees a download that broke off, never a complete one
 */
export async function* verifiedBytes(
  store: Pick<ArtifactStore, 'open'>,
  sha256: string,
  { start, end }: ByteRange,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let at = 0;
  let held: Buffer | undefined;
  for await (const chunk of (await store.open(sha256)) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    const wanted = chunk.subarray(Math.max(0, start - at), Math.max(0, end + 1 - at));
    at += chunk.length;
    if (wanted.length === 0) continue;
    if (held) yield held;
    held = wanted;
  }
  if (hash.digest('hex') !== sha256) throw artifactCorrupt(`the artifact ${sha256}`);
  if (held) yield held;
}
