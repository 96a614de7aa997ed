/** Tells the collector of garbage that bytes are about to be stored, before they are. */
import type { Claim } from '#artifacts/artifact-store';
import type { DataSource } from 'typeorm';

/** Waits while the collector is deleting the same bytes: they are stored after it, never under its hands. */
export const claimArtifact =
  (dataSource: DataSource): Claim =>
  async ({ sha256, sizeBytes }) => {
    await dataSource.query(
      `INSERT INTO artifacts (sha256, size_bytes, created_at, claimed_at) VALUES ($1, $2, now(), now())
       ON CONFLICT (sha256) DO UPDATE SET claimed_at = now(), corrupt_at = NULL`,
      [sha256, sizeBytes],
    );
  };
