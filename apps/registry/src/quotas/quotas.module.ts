import { Module } from '@nestjs/common';
import { QuotaExplainer } from './quota-explainer.service.js';
import { QuotaLedger } from './quota-ledger.service.js';
import { QuotaSweeper } from './quota-sweeper.js';
import { QuotasController } from './quotas.controller.js';
import { QuotasService } from './quotas.service.js';

@Module({
  controllers: [QuotasController],
  providers: [QuotasService, QuotaLedger, QuotaExplainer, QuotaSweeper],
})
export class QuotasModule {}
