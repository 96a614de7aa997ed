import { Module } from '@nestjs/common';
import { ExperimentsService } from './experiments.service.js';
import { RunsController } from './runs.controller.js';
import { RunsService } from './runs.service.js';

@Module({
  controllers: [RunsController],
  providers: [ExperimentsService, RunsService],
  exports: [ExperimentsService],
})
export class RunsModule {}
