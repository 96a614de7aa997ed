import { Module } from '@nestjs/common';
import { PricesService } from './prices.service.js';
import { UsageController } from './usage.controller.js';
import { UsageExportService } from './usage-export.service.js';
import { UsageService } from './usage.service.js';

@Module({ controllers: [UsageController], providers: [UsageService, UsageExportService, PricesService] })
export class UsageModule {}
