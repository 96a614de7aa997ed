import { Module } from '@nestjs/common';
import { LineageController } from './lineage.controller.js';
import { LineageService } from './lineage.service.js';

@Module({ controllers: [LineageController], providers: [LineageService] })
export class LineageModule {}
