import { Module } from '@nestjs/common';
import { ArtifactStoreModule } from './artifact-store.module.js';
import { ArtifactsController } from './artifacts.controller.js';

@Module({
  imports: [ArtifactStoreModule],
  controllers: [ArtifactsController],
  exports: [ArtifactStoreModule],
})
export class ArtifactsModule {}
