import type { LeaseAnswer, Quota, QuotaCount, QuotaExplanation, QuotaOverride } from '#contracts/quotas';
import type { Page } from '#contracts/common';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller } from '@nestjs/common';
import { teamsWith } from '../auth/team-access.js';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { QuotaAccess } from './quota-access.js';
import { OverridesService } from './overrides.service.js';
import { QuotaCounts } from './quota-counts.service.js';
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
    private readonly counts: QuotaCounts,
    private readonly access: QuotaAccess,
  ) {}

  @Route(routes.quotas.create)
  async create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<Quota> {
    await this.access.requireSetting(body, caller);
    return this.quotas.create(body, caller);
  }

  @Route(routes.quotas.list)
  list(@Input() { query }: RouteInput<R['list']>, @Caller() caller: Caller): Promise<Page<Quota>> {
    return this.quotas.list(query, teamsWith(caller, 'quotas:read'));
  }

  @Route(routes.quotas.read)
  async read(@Input() { params }: RouteInput<R['read']>, @Caller() caller: Caller): Promise<Quota> {
    await this.access.requireSeeing(params.quota_id, caller);
    return this.quotas.read(params.quota_id);
  }

  @Route(routes.quotas.update)
  async update(@Input() { params, body }: RouteInput<R['update']>, @Caller() caller: Caller): Promise<Quota> {
    await this.access.requireChanging(params.quota_id, caller);
    return this.quotas.update(params.quota_id, body, caller);
  }

  @Route(routes.quotas.remove)
  async remove(@Input() { params }: RouteInput<R['remove']>, @Caller() caller: Caller): Promise<void> {
    await this.access.requireChanging(params.quota_id, caller);
    return this.quotas.remove(params.quota_id, caller);
  }

  @Route(routes.quotas.reset)
  async reset(@Input() { params }: RouteInput<R['reset']>, @Caller() caller: Caller): Promise<Quota> {
    await this.access.requireChanging(params.quota_id, caller);
    return this.quotas.reset(params.quota_id, caller);
  }

  @Route(routes.quotas.lease)
  lease(@Input() { body }: RouteInput<R['lease']>, @Caller() caller: Caller): Promise<LeaseAnswer> {
    return this.ledger.lease(body, caller.subject);
  }

  @Route(routes.quotas.grant)
  async grant(@Input() { params, body }: RouteInput<R['grant']>, @Caller() caller: Caller): Promise<Quota> {
    await this.access.requireChanging(params.quota_id, caller);
    return this.quotas.grant(params.quota_id, body, caller);
  }

  @Route(routes.quotas.override)
  async override(
    @Input() { params, body }: RouteInput<R['override']>,
    @Caller() caller: Caller,
  ): Promise<QuotaOverride> {
    await this.access.requireChanging(params.quota_id, caller);
    return this.overrides.put(params.quota_id, body, caller);
  }

  @Route(routes.quotas.overrides)
  async listOverrides(
    @Input() { params }: RouteInput<R['overrides']>,
    @Caller() caller: Caller,
  ): Promise<{ items: QuotaOverride[] }> {
    await this.access.requireSeeing(params.quota_id, caller);
    return { items: await this.overrides.list(params.quota_id) };
  }

  @Route(routes.quotas.revokeOverride)
  async revokeOverride(
    @Input() { params, query }: RouteInput<R['revokeOverride']>,
    @Caller() caller: Caller,
  ): Promise<void> {
    await this.access.requireChanging(params.quota_id, caller);
    return this.overrides.revoke(params.quota_id, query, caller);
  }

  @Route(routes.quotas.counts)
  async listCounts(
    @Input() { params, query }: RouteInput<R['counts']>,
    @Caller() caller: Caller,
  ): Promise<Page<QuotaCount>> {
    await this.access.requireSeeing(params.quota_id, caller);
    return this.counts.list(params.quota_id, query);
  }

  @Route(routes.quotas.explain)
  async explain(
    @Input() { query }: RouteInput<R['explain']>,
    @Caller() caller: Caller,
  ): Promise<QuotaExplanation> {
    await this.access.requireExplaining(query.client_id, caller);
    return this.explainer.explain(query);
  }
}
