import { Module } from '@nestjs/common';
import { RunsModule } from '../runs/runs.module.js';
import { StudiesController } from './studies.controller.js';
import { StudiesService } from './studies.service.js';

@Module({ imports: [RunsModule], controllers: [StudiesController], providers: [StudiesService] })
export class StudiesModule {}
