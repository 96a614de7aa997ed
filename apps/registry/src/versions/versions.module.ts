import { Module } from '@nestjs/common';
import { ArtifactsModule } from '../artifacts/artifacts.module.js';
import { AnnotationsService } from './annotations.service.js';
import { ConfigsService } from './configs.service.js';
import { UploadsService } from './uploads.service.js';
import { VersionsController } from './versions.controller.js';
import { VersionsService } from './versions.service.js';

@Module({
  imports: [ArtifactsModule],
  controllers: [VersionsController],
  providers: [VersionsService, UploadsService, ConfigsService, AnnotationsService],
  exports: [VersionsService, UploadsService],
})
export class VersionsModule {}
