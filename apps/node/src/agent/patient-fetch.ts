/** Fetching a version's files through an absence of the registry. */
import { backoffMs, pause } from '#client/backoff';
import { SluiceClientError } from '#client/client';
import type { VersionFile } from '#contracts/models';
import { messageOf } from '#platform/errors';
import { CorruptArtifactError } from './artifact-cache.js';
import type { ArtifactCache } from './artifact-cache.js';

const backoff = { firstMs: 250, maxMs: 15_000 };
/** An artifact that is refused, or arrives with other bytes, so often is given up until the replica's next try. */
const maxRefusals = 4;
const isRefusal = (error: unknown): boolean =>
  error instanceof CorruptArtifactError ||
  (error instanceof SluiceClientError && (error.status === 404 || error.code === 'ARTIFACT_CORRUPT'));

export interface Patience {
  readonly signal: AbortSignal;
  readonly random: () => number;
  readonly onTrouble: (trouble: string) => void;
}

/** The path of the cached file. Goes on trying while the registry is away; the caller's abort ends it. */
export async function fetchPatiently(
  cache: Pick<ArtifactCache, 'fetch'>,
  file: VersionFile,
  { signal, random, onTrouble }: Patience,
): Promise<string> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await cache.fetch(file, signal);
    } catch (error) {
      if (signal.aborted || (failures >= maxRefusals && isRefusal(error))) throw error;
      onTrouble(`fetching ${file.path}: ${messageOf(error)}`);
      await pause(backoffMs(backoff, failures, random), signal);
    }
  }
}
