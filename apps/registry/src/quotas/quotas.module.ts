import { Module } from '@nestjs/common';
import { QuotaAccess } from './quota-access.js';
import { OverridesService } from './overrides.service.js';
import { QuotaCounts } from './quota-counts.service.js';
import { QuotaExplainer } from './quota-explainer.service.js';
import { QuotaLedger } from './quota-ledger.service.js';
import { QuotaSweeper } from './quota-sweeper.js';
import { QuotasController } from './quotas.controller.js';
import { QuotasService } from './quotas.service.js';

@Module({
  controllers: [QuotasController],
  providers: [
    QuotaAccess,
    QuotasService,
    OverridesService,
    QuotaLedger,
    QuotaExplainer,
    QuotaCounts,
    QuotaSweeper,
  ],
})
export class QuotasModule {}
