import type { LeaseAnswer, Quota, QuotaExplanation, QuotaOverride } from '#contracts/quotas';
import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { OverridesService } from './overrides.service.js';
import { QuotaExplainer } from './quota-explainer.service.js';
import { QuotaLedger } from './quota-ledger.service.js';
import { QuotasService } from './quotas.service.js';

type R = typeof routes.quotas;

@Controller()
export class QuotasController {
  constructor(
    private readonly quotas: QuotasService,
    private readonly overrides: OverridesService,
    private readonly ledger: QuotaLedger,
    private readonly explainer: QuotaExplainer,
  ) {}

  @Route(routes.quotas.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<Quota> {
    return this.quotas.create(body, caller);
  }

  @Route(routes.quotas.list)
  list(@Input() { query }: RouteInput<R['list']>): Promise<Page<Quota>> {
    return this.quotas.list(query);
  }

  @Route(routes.quotas.update)
  update(@Input() { params, body }: RouteInput<R['update']>, @Caller() caller: Caller): Promise<Quota> {
    return this.quotas.update(params.quota_id, body, caller);
  }

  @Route(routes.quotas.remove)
  remove(@Input() { params }: RouteInput<R['remove']>, @Caller() caller: Caller): Promise<void> {
    return this.quotas.remove(params.quota_id, caller);
  }

  @Route(routes.quotas.reset)
  reset(@Input() { params }: RouteInput<R['reset']>, @Caller() caller: Caller): Promise<Quota> {
    return this.quotas.reset(params.quota_id, caller);
  }

  @Route(routes.quotas.lease)
  lease(@Input() { body }: RouteInput<R['lease']>, @Caller() caller: Caller): Promise<LeaseAnswer> {
    return this.ledger.lease(body, caller.subject);
  }

  @Route(routes.quotas.grant)
  grant(@Input() { params, body }: RouteInput<R['grant']>, @Caller() caller: Caller): Promise<Quota> {
    return this.quotas.grant(params.quota_id, body, caller);
  }

  @Route(routes.quotas.override)
  override(
    @Input() { params, body }: RouteInput<R['override']>,
    @Caller() caller: Caller,
  ): Promise<QuotaOverride> {
    return this.overrides.put(params.quota_id, body, caller);
  }

  @Route(routes.quotas.overrides)
  async listOverrides(@Input() { params }: RouteInput<R['overrides']>): Promise<{ items: QuotaOverride[] }> {
    return { items: await this.overrides.list(params.quota_id) };
  }

  @Route(routes.quotas.revokeOverride)
  revokeOverride(
    @Input() { params, query }: RouteInput<R['revokeOverride']>,
    @Caller() caller: Caller,
  ): Promise<void> {
    return this.overrides.revoke(params.quota_id, query, caller);
  }

  @Route(routes.quotas.explain)
  explain(@Input() { query }: RouteInput<R['explain']>): Promise<QuotaExplanation> {
    return this.explainer.explain(query);
  }
}
