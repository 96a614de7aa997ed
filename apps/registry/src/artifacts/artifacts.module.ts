import { FileArtifactStore } from '#artifacts/file-artifact-store';
import { Module } from '@nestjs/common';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { ARTIFACT_STORE } from './artifact-store.token.js';
import { ArtifactSweep } from './artifact-sweep.js';
import { ArtifactsController } from './artifacts.controller.js';

@Module({
  controllers: [ArtifactsController],
  providers: [
    {
      provide: ARTIFACT_STORE,
      useFactory: (config: RegistryConfig) => FileArtifactStore.create(config.SLUICE_ARTIFACTS_DIR),
      inject: [CONFIG],
    },
    ArtifactSweep,
  ],
  exports: [ARTIFACT_STORE],
})
export class ArtifactsModule {}
