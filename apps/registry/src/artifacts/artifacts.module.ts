import { Module } from '@nestjs/common';
import { ArtifactStoreModule } from './artifact-store.module.js';
import { ArtifactsController } from './artifacts.controller.js';
import { VerifiedArtifacts } from './verified-artifacts.js';

@Module({
  imports: [ArtifactStoreModule],
  controllers: [ArtifactsController],
  providers: [VerifiedArtifacts],
  exports: [ArtifactStoreModule, VerifiedArtifacts],
})
export class ArtifactsModule {}
