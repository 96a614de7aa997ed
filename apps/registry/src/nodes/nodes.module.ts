import { Module } from '@nestjs/common';
import { ExternalNodesModule } from '../external-nodes/external-nodes.module.js';
import { AssignmentsService } from './assignments.service.js';
import { LeaseService } from './lease.service.js';
import { LeaseSweeper } from './lease-sweeper.js';
import { NodesController } from './nodes.controller.js';
import { NodesService } from './nodes.service.js';

@Module({
  imports: [ExternalNodesModule],
  controllers: [NodesController],
  providers: [AssignmentsService, LeaseService, LeaseSweeper, NodesService],
})
export class NodesModule {}
