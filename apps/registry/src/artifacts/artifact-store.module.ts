/** Where bytes are kept, for the API and the worker alike: a folder, or a bucket when one is named. */
import type { ArtifactStore, PieceStore } from '#artifacts/artifact-store';
import { FileArtifactStore } from '#artifacts/file-artifact-store';
import { FilePieceStore } from '#artifacts/file-piece-store';
import { S3ArtifactStore } from '#artifacts/s3-artifact-store';
import { S3Client } from '#artifacts/s3-client';
import { S3PieceStore } from '#artifacts/s3-piece-store';
import { Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { ARTIFACT_STORE, PIECE_STORE } from './artifact-store.token.js';
import { claimArtifact } from './claim-artifact.js';

@Module({
  providers: [
    {
      provide: ARTIFACT_STORE,
      useFactory: async (config: RegistryConfig, dataSource: DataSource): Promise<ArtifactStore> => {
        const claim = claimArtifact(dataSource);
        const s3 = bucketOf(config);
        return s3
          ? new S3ArtifactStore(s3, claim)
          : FileArtifactStore.create(config.SLUICE_ARTIFACTS_DIR, { claim });
      },
      inject: [CONFIG, DataSource],
    },
    {
      provide: PIECE_STORE,
      useFactory: (config: RegistryConfig): PieceStore => {
        const s3 = bucketOf(config);
        return s3 ? new S3PieceStore(s3) : new FilePieceStore(config.SLUICE_ARTIFACTS_DIR);
      },
      inject: [CONFIG],
    },
  ],
  exports: [ARTIFACT_STORE, PIECE_STORE],
})
export class ArtifactStoreModule {}

function bucketOf(config: RegistryConfig): S3Client | undefined {
  if (config.SLUICE_S3_BUCKET === undefined) return undefined;
  return new S3Client({
    endpoint: config.SLUICE_S3_ENDPOINT ?? `https://s3.${config.SLUICE_S3_REGION}.amazonaws.com`,
    region: config.SLUICE_S3_REGION,
    bucket: config.SLUICE_S3_BUCKET,
    accessKeyId: config.SLUICE_S3_ACCESS_KEY_ID ?? '',
    secretAccessKey: config.SLUICE_S3_SECRET_ACCESS_KEY ?? '',
  });
}
