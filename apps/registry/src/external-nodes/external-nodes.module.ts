import { Module } from '@nestjs/common';
import { VersionsModule } from '../versions/versions.module.js';
import { ExternalNodesController } from './external-nodes.controller.js';
import { ExternalNodesService } from './external-nodes.service.js';
import { ExternalReports } from './external-reports.service.js';
import { ExternalVersionsService } from './external-versions.service.js';

@Module({
  imports: [VersionsModule],
  controllers: [ExternalNodesController],
  providers: [ExternalNodesService, ExternalReports, ExternalVersionsService],
  exports: [ExternalReports],
})
export class ExternalNodesModule {}
