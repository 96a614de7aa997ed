import { Module } from '@nestjs/common';
import { ArtifactStoreModule } from './artifact-store.module.js';
import { ArtifactSweep } from './artifact-sweep.js';
import { ArtifactsController } from './artifacts.controller.js';

@Module({
  imports: [ArtifactStoreModule],
  controllers: [ArtifactsController],
  providers: [ArtifactSweep],
  exports: [ArtifactStoreModule],
})
export class ArtifactsModule {}
