/** Where bytes are kept, for the API and the worker alike. */
import { FileArtifactStore } from '#artifacts/file-artifact-store';
import { FilePieceStore } from '#artifacts/file-piece-store';
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
      useFactory: (config: RegistryConfig, dataSource: DataSource) =>
        FileArtifactStore.create(config.SLUICE_ARTIFACTS_DIR, { claim: claimArtifact(dataSource) }),
      inject: [CONFIG, DataSource],
    },
    {
      provide: PIECE_STORE,
      useFactory: (config: RegistryConfig) => new FilePieceStore(config.SLUICE_ARTIFACTS_DIR),
      inject: [CONFIG],
    },
  ],
  exports: [ARTIFACT_STORE, PIECE_STORE],
})
export class ArtifactStoreModule {}
