import { Module } from '@nestjs/common';
import { ArtifactsModule } from '../artifacts/artifacts.module.js';
import { VersionsModule } from '../versions/versions.module.js';
import { ResumableUploads } from './resumable-uploads.service.js';
import { TusServer } from './tus-server.js';
import { UploadBytes } from './upload-bytes.js';
import { UploadsController } from './uploads.controller.js';

@Module({
  imports: [ArtifactsModule, VersionsModule],
  controllers: [UploadsController],
  providers: [ResumableUploads, TusServer, UploadBytes],
})
export class UploadsModule {}
