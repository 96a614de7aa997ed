import { Module } from '@nestjs/common';
import { ExperimentsService } from './experiments.service.js';
import { NotifyModule } from '../notify/notify.module.js';
import { RunLinesController } from './run-lines.controller.js';
import { RunLinesService } from './run-lines.service.js';
import { RunsController } from './runs.controller.js';
import { RunsService } from './runs.service.js';

@Module({
  imports: [NotifyModule],
  controllers: [RunsController, RunLinesController],
  providers: [ExperimentsService, RunsService, RunLinesService],
  exports: [ExperimentsService],
})
export class RunsModule {}
